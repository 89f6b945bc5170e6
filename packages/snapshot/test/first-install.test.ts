// Shows that a new server recovers from a crash at any point of its first start, which includes
// installing a snapshot. Each round starts a new cluster, and crashes one server one disk operation
// later than the previous round.
import { bootstrap, MemoryLog, MemorySnapshots, type RaftNode, type Stores, type Transport } from '@kontiki/core';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { Random, SimulatedDisk, type Crash } from '@kontiki/testing';
import { expect, it } from 'vitest';
import { bytes, Nodes, runToOutcome } from '../../core/test/node/harness.js';
import { onDemand, SnapshotJournal } from '../../core/test/node/snapshot-harness.js';

const members = { a: 'memory:a', c: 'memory:c' };

/** The servers of one round. */
class Round {
  readonly nodes = new Nodes();
  /** The state machine and the transport that each server created at its latest start. */
  readonly machines = new Map<string, SnapshotJournal>();
  readonly transports = new Map<string, Transport>();

  async start(id: string, { log, snapshots }: Stores): Promise<void> {
    const [machine, transport] = [new SnapshotJournal(), this.nodes.network.transport()];
    this.machines.set(id, machine);
    this.transports.set(id, transport);
    await this.nodes.open(id, { log, snapshots, machine, transport, snapshotPolicy: onDemand });
  }

  /** Starts servers `a` and `c`, adds server `b`, and compacts the leader's log. */
  async startOthers(): Promise<void> {
    for (const id of ['a', 'c']) {
      const stores = { log: new MemoryLog(), snapshots: new MemorySnapshots() };
      await bootstrap(stores.log, { cluster: 'test', server: id, members });
      await this.start(id, stores);
    }
    await this.nodes.clock.until(() => this.nodes.leader !== undefined);
    const leader = this.nodes.leader as RaftNode<number>;
    await this.nodes.clock.until(() => leader.status().membership?.founded === true);
    await runToOutcome(this.nodes, leader.members.addLearner('b', 'memory:b'));
    // A leader keeps the entries that a peer needs until the leader has taken another snapshot.
    for (const command of ['x', 'y']) {
      await runToOutcome(this.nodes, leader.propose(bytes(command)));
      await runToOutcome(this.nodes, leader.snapshot());
    }
    expect(leader.status().base).toBeGreaterThan(1);
  }

  get caughtUp(): boolean {
    return this.machines.get('b')?.commands.join() === 'x,y';
  }
}

/**
 * Crashes the first start of server `b` before a disk operation, and checks that `b` recovers.
 * Returns false if the start finished before that operation.
 */
async function comesBack(operation: number, kind: Crash): Promise<boolean> {
  const round = new Round();
  const { nodes } = round;
  await round.startOthers();
  const { next: random } = new Random(operation);
  const disk = new SimulatedDisk({ random });
  const stores = (): Stores => ({
    log: new FileLog(disk.folder, { clock: nodes.clock, random, segmentBytes: 512 }),
    snapshots: new FileSnapshots(disk.folder),
  });
  let crashed = false;
  disk.onCrash = () => (crashed = true);
  disk.crashAt = { operation, kind };
  const errors: unknown[] = [];
  // This promise never settles if `b` crashes.
  round.start('b', stores()).catch((error: unknown) => errors.push(error));
  await nodes.clock.until(() => crashed || round.caughtUp || errors.length > 0);
  if (crashed) {
    nodes.nodes.delete('b');
    await round.transports.get('b')?.close();
    expect(await runToOutcome(nodes, round.start('b', stores()))).toBe(undefined);
    await nodes.clock.until(() => round.caughtUp);
  }
  expect(errors).toEqual([]);
  await runToOutcome(nodes, nodes.close());
  return crashed;
}

it.each(['process', 'power'] as const)(
  'a server recovers from a %s crash at each step of its first install',
  async (kind) => {
    let operation = 1;
    while (await comesBack(operation, kind)) operation += 1;
    expect(operation).toBeGreaterThan(20);
  },
);
