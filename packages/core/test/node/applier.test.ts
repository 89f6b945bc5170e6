import { describe, expect, it } from 'vitest';
import { command, VirtualClock } from '@kontiki/testing';
import { RaftLog } from '../../src/log/raft-log.js';
import { Applier } from '../../src/node/apply/applier.js';

const start = { base: { index: 0, term: 0, membership: undefined }, last: 0, terms: [], memberships: [], committed: 0 };

/** Returns a log in which all entries are durable and committed. */
function committed(count: number, bytes = 1): RaftLog {
  const log = new RaftLog(start, 0, Infinity);
  for (let index = 1; index <= count; index += 1) log.append(command(index, 1, 'x'.repeat(bytes)));
  log.persisted(log.issueWrite().number);
  log.commitTo(count);
  return log;
}

/** A clock that advances by one millisecond each time `now` is called. */
class TickingClock extends VirtualClock {
  #now = 0;

  override now(): number {
    return (this.#now += 1);
  }
}

describe('Applier', () => {
  it('Applier stops when a listener closes the node, without applying an entry twice', () => {
    const log = committed(20, 200_000);
    const seen: number[] = [];
    const applier = new Applier<number>({
      log,
      store: undefined as never,
      clock: new VirtualClock(),
      time: 0,
      machine: {
        apply: ({ entries }) => {
          seen.push(...entries.map(({ index }) => index));
          return entries.map(() => 0);
        },
      },
      onApplied: (_, { index }) => {
        log.appliedTo(index);
        if (index >= 3) void applier.close();
      },
      restore: () => Promise.reject(new Error('unexpected restore')),
      onFailure: (error) => expect.unreachable(error.message),
    });
    applier.applyNext();
    applier.applyNext();
    expect(seen).toEqual([1, 2, 3]);
  });

  it('Applier schedules only one pause between slices, even if called repeatedly', async () => {
    const clock = new TickingClock();
    let slices = 0;
    const defer = clock.defer.bind(clock);
    clock.defer = (callback): void => {
      slices += 1;
      defer(callback);
    };
    const log = committed(100, 300_000);
    const applier = new Applier<number>({
      log,
      store: undefined as never,
      clock,
      time: 0,
      machine: { apply: ({ entries }) => entries.map(() => 0) },
      onApplied: (_, { index }) => log.appliedTo(index),
      restore: () => Promise.reject(new Error('unexpected restore')),
      onFailure: (error) => expect.unreachable(error.message),
    });
    for (let turn = 0; turn < 50; turn += 1) applier.applyNext();
    expect(slices).toBe(1);
    await clock.settle();
    expect(log.applied).toBe(100);
  });

  it('Applier runs a task requested by a batch before the next batch', async () => {
    const clock = new VirtualClock();
    const log = committed(4, 300_000);
    let end = (): void => {};
    const between: number[] = [];
    const applier: Applier<number> = new Applier<number>({
      log,
      store: undefined as never,
      clock,
      time: 0,
      machine: { apply: ({ entries }) => entries.map(() => 0) },
      onApplied: (_, { index }) => {
        log.appliedTo(index);
        if (index !== 2) return;
        applier.runBetweenBatches(
          () => {
            between.push(log.applied);
            return new Promise((resolve) => (end = resolve));
          },
          () => expect.unreachable(),
        );
      },
      restore: () => Promise.reject(new Error('unexpected restore')),
      onFailure: (error) => expect.unreachable(error.message),
    });
    applier.applyNext();
    await clock.settle();
    expect(between).toEqual([2]);
    expect(log.applied).toBe(2);
    end();
    await clock.settle();
    expect(log.applied).toBe(4);
  });
});
