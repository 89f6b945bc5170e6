// Shows that the log shares no memory with callers of propose or with state machines. One server is
// down until the memory has been changed, so it receives the entry from the log.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApplyBatch, RaftNode } from '@kontiki/core';
import { bytes, Journal, Nodes, outcome, runToOutcome } from './harness.js';

/** A machine that keeps the data of the commands that it receives. */
class Keeper extends Journal {
  readonly given: Uint8Array[] = [];

  override apply(batch: ApplyBatch): number[] {
    this.given.push(...batch.entries.map(({ data }) => data));
    return super.apply(batch);
  }
}

let nodes: Nodes;
let leader: RaftNode<number>;
let late: RaftNode<number>;
const machines = new Map<string, Keeper>();

beforeEach(async () => {
  nodes = new Nodes();
  await nodes.bootstrap('a', 'b', 'c');
  for (const id of ['a', 'b', 'c']) {
    machines.set(id, new Keeper());
    await nodes.open(id, { machine: machines.get(id) as Keeper });
  }
  await nodes.clock.until(() => nodes.leader !== undefined);
  leader = nodes.leader as RaftNode<number>;
  late = nodes.followers[0] as RaftNode<number>;
  nodes.network.isolate(late.id);
});
afterEach(() => nodes.close());

/** Waits until the late server has caught up, and returns its commands. */
async function commandsOfLate(): Promise<readonly string[]> {
  nodes.network.heal();
  const machine = machines.get(late.id) as Keeper;
  await nodes.clock.until(() => late.status().applied >= leader.status().committed && machine.commands.length > 0);
  return machine.commands;
}

describe('memory of commands', () => {
  it('a caller may reuse its buffer as soon as propose returns', async () => {
    const buffer = bytes('abc');
    const proposed = leader.propose(buffer);
    buffer.fill(120);
    await runToOutcome(nodes, proposed);
    expect(machines.get(leader.id)?.commands).toEqual(['abc']);
    expect(await commandsOfLate()).toEqual(['abc']);
  });

  it('a state machine may modify the commands that it receives', async () => {
    await runToOutcome(nodes, leader.propose(bytes('abc')));
    for (const machine of machines.values()) for (const data of machine.given) data.fill(120);
    expect(await commandsOfLate()).toEqual(['abc']);
  });

  it.each([
    ['a Buffer', (): Uint8Array => Buffer.from('abc')],
    ['a view of a larger buffer', (): Uint8Array => Buffer.from('xxabcxx').subarray(2, 5)],
    ['shared memory', (): Uint8Array => new Uint8Array(new SharedArrayBuffer(3)).fill(97)],
    ['a command of 100,000 bytes', (): Uint8Array => Buffer.alloc(100_000, 'x')],
  ])('each server gets its own plain Uint8Array for %s', async (_, make) => {
    const data = make();
    await runToOutcome(nodes, leader.propose(data));
    await commandsOfLate();
    for (const machine of machines.values()) {
      const [given] = machine.given as [Uint8Array];
      expect(Object.getPrototypeOf(given)).toBe(Uint8Array.prototype);
      expect(given.buffer).toBeInstanceOf(ArrayBuffer);
      expect(given.length).toBe(data.length);
    }
  });

  it('propose rejects a command whose memory has been transferred', async () => {
    const data = new Uint8Array(8);
    structuredClone(data, { transfer: [data.buffer] });
    expect(await outcome(leader.propose(data))).toBe('KONTIKI_BAD_OPTION');
  });

  it('small commands share memory blocks without overwriting each other', async () => {
    const commands = Array.from({ length: 3_000 }, (_, i) => `${i}`.padStart((i % 90) + 1, '-'));
    const proposed = Promise.all(commands.map((command) => leader.propose(bytes(command))));
    await runToOutcome(nodes, proposed);
    expect(machines.get(leader.id)?.commands).toEqual(commands);
    expect(await commandsOfLate()).toEqual(commands);
  });
});
