// Shows that a server that crashes at any point of a recovery is either recovered or unchanged. A
// server that crashes during a restore is either blank or restored. Each round crashes one disk
// operation later than the previous round, and then runs the same call again.
import { inspectServer, membershipOf, recoverServer, restoreServer, type ServerContents } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { Random, SimulatedDisk, type Crash } from '@kontiki/testing';
import { expect, it } from 'vitest';
import { bytes, Nodes, outcome, runToOutcome } from '../../core/test/node/harness.js';
import { onDemand, SnapshotJournal } from '../../core/test/node/snapshot-harness.js';

const members = membershipOf(['a', 'b'].map((id) => [id, { address: `memory:${id}`, metadata: '' }]));
const meta = {
  id: 'f'.repeat(32),
  cluster: 'test',
  last: { index: 9, term: 3 },
  membership: { index: 1, membership: members },
  genesis: 7,
  version: 0,
};

async function* state(): AsyncGenerator<Uint8Array, void> {
  for (const line of ['2', 'x', 'y']) yield bytes(`${line}\n`);
}

/** A log and a snapshot store in the same folder. */
type Both = { readonly log: FileLog; readonly snapshots: FileSnapshots };

/** A server of a cluster, with its files on a disk that can crash. */
class Round {
  readonly nodes = new Nodes();
  readonly cluster: string;
  readonly #disk: SimulatedDisk;
  readonly #random: () => number;

  constructor(cluster: string, seed: number) {
    this.cluster = cluster;
    this.#random = new Random(seed).next;
    this.#disk = new SimulatedDisk({ random: this.#random });
  }

  stores(): Both {
    const { folder } = this.#disk;
    return {
      log: new FileLog(folder, { clock: this.nodes.clock, random: this.#random, segmentBytes: 512 }),
      snapshots: new FileSnapshots(folder),
    };
  }

  inspect(): Promise<ServerContents> {
    const { log, snapshots } = this.stores();
    return inspectServer(log, { cluster: this.cluster, server: 'a', snapshots });
  }

  /**
   * Crashes a call before the given disk operation of the call. Returns false if the call finishes
   * before that operation.
   */
  async crash(call: (stores: Both) => Promise<unknown>, operation: number, kind: Crash): Promise<boolean> {
    let end: 'crash' | 'done' | undefined;
    this.#disk.onCrash = () => (end = 'crash');
    this.#disk.crashAt = { operation: this.#disk.operations + operation, kind };
    // This promise never settles if the server crashes.
    void outcome(call(this.stores())).then(() => (end ??= 'done'));
    await this.nodes.clock.until(() => end !== undefined);
    this.#disk.crashAt = undefined;
    return end === 'crash';
  }

  /** Starts the server. When it leads, returns the commands in its state machine. */
  async start(): Promise<readonly string[]> {
    const machine = new SnapshotJournal();
    const options = { ...this.stores(), cluster: this.cluster, machine, snapshotPolicy: onDemand };
    expect(await runToOutcome(this.nodes, this.nodes.open('a', options))).toMatchObject({ id: 'a' });
    await this.nodes.clock.until(() => this.nodes.leader !== undefined);
    await this.nodes.clock.until(() => machine.through >= this.nodes.get('a').status().last);
    await runToOutcome(this.nodes, this.nodes.close());
    return machine.commands;
  }
}

async function recovers(operation: number, kind: Crash): Promise<boolean> {
  const round = new Round('test', operation);
  const { log, snapshots } = round.stores();
  const owner = { cluster: 'test', server: 'a' };
  await log.open(owner);
  await snapshots.open(owner);
  const writer = await snapshots.create(meta);
  for await (const piece of encodeSnapshot(meta, state())) await writer.write(piece);
  await log.append({ ballot: { term: 3, votedFor: 'b' } });
  await writer.finish();
  await log.reset({ ...meta.last, membership: meta.membership, genesis: meta.genesis });
  await log.append({ entries: [{ kind: 'command', index: 10, term: 3, data: bytes('z') }] });
  await Promise.all([log.close(), snapshots.close()]);
  const call = (stores: Both): Promise<unknown> => recoverServer(stores.log, { ...owner, snapshots: stores.snapshots });
  const isCrashed = await round.crash(call, operation, kind);
  const before = await round.inspect();
  const isUnchanged = before.last.index === 10;
  expect(before).toMatchObject(
    isUnchanged
      ? { last: { term: 3 }, ballot: { term: 3 }, membership: { membership: members } }
      : { last: { index: 11, term: 4 }, ballot: { term: 4 }, committed: 11, membership: { index: 11 } },
  );
  if (isUnchanged) await call(round.stores());
  else expect(await outcome(call(round.stores()))).toBe('KONTIKI_BAD_CHANGE');
  expect(await round.start()).toEqual(['x', 'y', 'z']);
  return isCrashed;
}

async function restores(operation: number, kind: Crash): Promise<boolean> {
  const round = new Round('restored', operation);
  const call = ({ log, snapshots }: Both): Promise<unknown> =>
    restoreServer(log, snapshots, encodeSnapshot(meta, state()), {
      cluster: 'restored',
      server: 'a',
      address: 'memory:a',
    });
  const isCrashed = await round.crash(call, operation, kind);
  const { last, snapshot } = await round.inspect();
  expect([0, 9]).toContain(last.index);
  expect(snapshot?.last.index ?? 0).toBe(last.index);
  // Every second round starts the server without finishing the restore.
  if (last.index === 0 || operation % 2 === 0)
    expect([undefined, 'KONTIKI_NOT_BLANK']).toContain(await outcome(call(round.stores()).then(() => undefined)));
  expect(await round.start()).toEqual(['x', 'y']);
  return isCrashed;
}

it.each(['process', 'power'] as const)(
  'a server is recovered or unchanged after a %s crash at each step',
  async (kind) => {
    let operation = 1;
    while (await recovers(operation, kind)) operation += 1;
    expect(operation).toBeGreaterThan(8);
  },
);

it.each(['process', 'power'] as const)('a server is restored or blank after a %s crash at each step', async (kind) => {
  let operation = 1;
  while (await restores(operation, kind)) operation += 1;
  expect(operation).toBeGreaterThan(20);
});
