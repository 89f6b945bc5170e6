// Shows that messages and timers are still handled when thousands of calls end at once.
import { describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '@kontiki/testing';
import { Calls } from '../../src/node/calls/calls.js';
import { ReadQueue } from '../../src/node/calls/read-queue.js';
import { outcome } from './harness.js';

/**
 * A clock that advances by one millisecond with each call to `now`, and counts deferred callbacks.
 */
class TickingClock extends VirtualClock {
  deferred = 0;
  isTicking = false;
  #passed = 0;

  override now(): number {
    if (this.isTicking) this.#passed += 1;
    return super.now() + this.#passed;
  }

  override defer(callback: () => void): void {
    this.deferred += 1;
    super.defer(callback);
  }
}

describe('slices of calls', () => {
  it('calls that expire simultaneously are rejected in slices of five milliseconds', async () => {
    const clock = new TickingClock();
    const calls = new Calls(clock);
    const ends = Array.from({ length: 100 }, () => outcome(calls.open(1_000, undefined).promise));
    clock.isTicking = true;
    await clock.elapse(1_100);
    expect(await Promise.all(ends)).toEqual(ends.map(() => 'KONTIKI_TIMEOUT'));
    expect(clock.deferred).toBeGreaterThanOrEqual(15);
  });

  it('calls settle in order, at most 256 of them in one turn of the event loop', async () => {
    const clock = new VirtualClock();
    const turns: (() => void)[] = [];
    clock.defer = (callback) => void turns.push(callback);
    const calls = new Calls(clock);
    const settled: number[] = [];
    for (let i = 0; i < 600; i += 1) {
      const call = calls.open<number>(1_000, undefined);
      void call.promise.then((value) => settled.push(value));
      call.resolve(i);
    }
    const counts: number[] = [];
    for (let turn: (() => void) | undefined = () => {}; turn !== undefined; turn = turns.shift()) {
      turn();
      await clock.settle();
      counts.push(settled.length);
    }
    expect(counts).toEqual([256, 512, 600]);
    expect(settled).toEqual(Array.from({ length: 600 }, (_, i) => i));
  });

  it('a call whose outcome is already known can neither expire nor be aborted', async () => {
    const clock = new VirtualClock();
    const turns: (() => void)[] = [];
    clock.defer = (callback) => void turns.push(callback);
    const calls = new Calls(clock);
    const controller = new AbortController();
    const all = Array.from({ length: 300 }, () => calls.open<string>(100, controller.signal));
    const ends = all.map(({ promise }) => outcome(promise));
    for (const call of all) call.resolve('done');
    controller.abort();
    await clock.elapse(200);
    for (const turn of turns) turn();
    expect(await Promise.all(ends)).toEqual(ends.map(() => 'done'));
  });

  it('removing a finished read takes constant time, even with many reads waiting', () => {
    const clock = new VirtualClock();
    const calls = new Calls(clock);
    const reads = new ReadQueue(clock);
    const controller = new AbortController();
    for (let ticket = 1; ticket <= 400; ticket += 1) {
      const call = calls.open<number>(1_000, controller.signal);
      call.promise.catch(() => {});
      reads.add(ticket, call, () => 1);
      reads.confirm({ ticket, index: ticket });
    }
    const deletes = vi.spyOn(Set.prototype, 'delete');
    controller.abort();
    expect(deletes.mock.calls.length).toBeLessThanOrEqual(4 * 400);
    deletes.mockRestore();
  });

  it('a read that aborts its own call reduces the number of waiting reads only once', async () => {
    const clock = new VirtualClock();
    const calls = new Calls(clock);
    const queue = new ReadQueue(clock);
    const controller = new AbortController();
    const call = calls.open(1_000, controller.signal);
    const ended = outcome(call.promise);
    queue.addConfirmed(call, () => controller.abort(), 0);
    queue.serve({ index: 0, term: 1, time: 0 });
    expect(await ended).toBe('KONTIKI_ABORTED');
    for (let ticket = 1; ticket <= 65_536; ticket += 1) queue.add(ticket, calls.open(1_000, undefined), () => {});
    expect(queue.refuse()).toMatchObject({ code: 'KONTIKI_OVERLOADED' });
    calls.stop();
  });

  it('confirmed reads are served in slices of five milliseconds', () => {
    const clock = new TickingClock();
    const calls = new Calls(clock);
    const reads = new ReadQueue(clock);
    let served = 0;
    for (let ticket = 1; ticket <= 20; ticket += 1) {
      reads.add(ticket, calls.open<number>(1_000, undefined), () => (served += 1));
    }
    reads.confirm({ ticket: 20, index: 7 });
    clock.isTicking = true;
    expect(reads.serve({ index: 6, term: 1, time: 0 })).toBe(false);
    expect(served).toBe(0);
    const slices: number[] = [];
    while (reads.serve({ index: 7, term: 1, time: 0 })) slices.push(served);
    expect([slices, served]).toEqual([[5, 10, 15, 20], 20]);
  });
});
