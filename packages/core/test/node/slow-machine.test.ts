// Shows that a state machine that is slower than the load delays callers by only a few seconds.
// Also shows that reads run whenever no batch is being applied.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApplyBatch, RaftNode } from '@kontiki/core';
import { bytes, Journal, Nodes, outcome, runToOutcome } from './harness.js';
import { SnapshotJournal } from './snapshot-harness.js';

/** A machine that takes 5 ms per command, so it applies 200 commands per second. */
class SlowJournal extends Journal {
  readonly #clock: Nodes['clock'];

  constructor(clock: Nodes['clock']) {
    super();
    this.#clock = clock;
  }

  override apply(batch: ApplyBatch): never {
    return new Promise((resolve) => {
      const timer = this.#clock.timer(() => {
        timer.close();
        resolve(super.apply(batch));
      });
      timer.set(this.#clock.now() + 5 * Math.max(1, batch.entries.length));
    }) as never;
  }
}

let nodes: Nodes;
beforeEach(() => {
  nodes = new Nodes();
});
afterEach(() => nodes.close());

async function slowCluster(limits: object = {}): Promise<RaftNode<number>> {
  await nodes.bootstrap('a', 'b', 'c');
  for (const id of ['a', 'b', 'c']) await nodes.open(id, { machine: new SlowJournal(nodes.clock), limits });
  await nodes.clock.until(() => nodes.leader !== undefined);
  return nodes.leader as RaftNode<number>;
}

describe('a slow state machine', () => {
  it('a leader refuses commands beyond the speed of its machine and answers the rest', async () => {
    const leader = await slowCluster();
    const outcomes = new Map<unknown, number>();
    let longest = 0;
    for (let step = 0; step < 600; step += 1) {
      for (let i = 0; i < 6; i += 1) {
        const start = nodes.clock.now();
        void outcome(leader.propose(bytes('x'))).then((ended) => {
          const kind = typeof ended === 'string' ? ended : 'done';
          outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
          if (kind === 'done') longest = Math.max(longest, nodes.clock.now() - start);
        });
      }
      await nodes.clock.elapse(20);
    }
    await nodes.clock.elapse(10_000);
    expect(new Set(outcomes.keys())).toEqual(new Set(['done', 'KONTIKI_OVERLOADED']));
    expect(outcomes.get('KONTIKI_OVERLOADED')).toBeGreaterThan(500);
    expect(outcomes.get('done')).toBeGreaterThan(2_000);
    expect(longest).toBeLessThan(4_000);
    expect(leader.status().role).toBe('leader');
  });

  it('a leader refuses proposals beyond limits.unappliedBytes until entries are applied', async () => {
    const leader = await slowCluster({ unappliedBytes: 2_000 });
    const proposed = Array.from({ length: 10 }, () => outcome(leader.propose(new Uint8Array(136))));
    await nodes.clock.elapse(10);
    const later = Array.from({ length: 10 }, () => outcome(leader.propose(new Uint8Array(136))));
    await nodes.clock.elapse(5_000);
    expect((await Promise.all(proposed)).every((ended) => typeof ended === 'object')).toBe(true);
    expect((await Promise.all(later)).filter((ended) => ended === 'KONTIKI_OVERLOADED').length).toBeGreaterThan(5);
    expect(await runToOutcome(nodes, leader.propose(bytes('x')))).toMatchObject({ term: leader.status().term });
  });

  it('a read waits for only a few commands, even if many are queued', async () => {
    const leader = await slowCluster();
    for (let i = 0; i < 300; i += 1) void outcome(leader.propose(bytes('x')));
    // The node measures in the first batches how long a command takes.
    await nodes.clock.elapse(1_200);
    const start = nodes.clock.now();
    await runToOutcome(
      nodes,
      leader.read(() => 1, { consistency: 'local' }),
    );
    expect(nodes.clock.now() - start).toBeLessThan(50);
    await nodes.clock.elapse(2_000);
  });
});

describe('a snapshot that blocks applying', () => {
  async function snapshotting(): Promise<{ node: RaftNode<number>; finish: () => void }> {
    const machine = new SnapshotJournal();
    machine.blocksApply = true;
    let finish = (): void => {};
    const { MemorySnapshots } = await import('@kontiki/core');
    await nodes.bootstrap('a');
    const node = await nodes.open('a', { machine, snapshots: new MemorySnapshots() });
    await nodes.clock.until(() => nodes.leader !== undefined);
    await runToOutcome(nodes, node.propose(bytes('x')));
    machine.gate = (): Promise<void> => new Promise((resolve) => (finish = resolve));
    void outcome(node.snapshot());
    await nodes.clock.elapse(20);
    return { node, finish: () => finish() };
  }

  it('reads are served while a snapshot delays applying commands', async () => {
    const { node, finish } = await snapshotting();
    const linearizable = outcome(node.read(() => 'linearizable'));
    const local = outcome(node.read(() => 'local', { consistency: 'local' }));
    await nodes.clock.elapse(200);
    expect([await linearizable, await local]).toEqual(['linearizable', 'local']);
    finish();
  });

  it('commands wait for a snapshot that delays apply, and are applied right after it', async () => {
    const { node, finish } = await snapshotting();
    const proposed = node.propose(bytes('y'));
    let settled = false;
    void outcome(proposed).then(() => (settled = true));
    await nodes.clock.elapse(500);
    expect(settled).toBe(false);
    finish();
    expect(await runToOutcome(nodes, proposed)).toMatchObject({ result: 2 });
  });
});
