// Shows that restoreServer starts a new cluster from a snapshot of another cluster, and which calls
// it refuses.
import { MemoryLog, MemorySnapshots, restoreServer, type RestoreOptions, type SnapshotInfo } from '@kontiki/core';
import { encodeSnapshot, type SnapshotCompression } from '@kontiki/core/wire';
import { beforeEach, describe, expect, it } from 'vitest';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { cluster, machines, nodes, open, runToEnd, stores, write } from './snapshot-harness.js';

const target = { cluster: 'restored', server: 'r', address: 'memory:r' };

/** Takes a snapshot of a cluster of three servers with five commands, and closes the cluster. */
async function backup(): Promise<Uint8Array[]> {
  const leader = await cluster(['a', 'b', 'c']);
  await write(5);
  const { id } = await runToEnd(leader.snapshot());
  const pieces: Uint8Array[] = [];
  for await (const piece of (stores.get(leader.id) as MemorySnapshots).read(id)) pieces.push(piece);
  for (const node of nodes.nodes.values()) await runToEnd(node.close(atOnce));
  nodes.nodes.clear();
  return pieces;
}

async function* stream(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}

let log: MemoryLog;
let snapshots: MemorySnapshots;
beforeEach(() => {
  log = new MemoryLog();
  snapshots = new MemorySnapshots();
});

const restore = (pieces: Iterable<Uint8Array>, options: Partial<RestoreOptions> = {}): Promise<SnapshotInfo> =>
  restoreServer(log, snapshots, stream(pieces), { ...target, ...options });

/** Starts the restored server. When it leads, resolves with the commands in its state machine. */
async function start(): Promise<readonly string[]> {
  nodes.logs.set('r', log);
  stores.set('r', snapshots);
  const node = await open('r', { cluster: 'restored' });
  await nodes.clock.until(() => node.isLeader);
  return machines.get('r')?.commands ?? [];
}

const commands = ['x0', 'x1', 'x2', 'x3', 'x4'];

describe('restoreServer', () => {
  it('a restored server leads alone with the restored state, and others can join', async () => {
    const info = await restore(await backup());
    expect(info).toMatchObject({ cluster: 'restored', membership: { membership: { voters: ['r'], epoch: '' } } });
    expect(await start()).toEqual(commands);
    const leader = nodes.get('r');
    await open('d', { cluster: 'restored' });
    const added = leader.members.addVoter('d', 'memory:d');
    expect(await runToOutcome(nodes, added)).toMatchObject({ voters: ['r', 'd'] });
    await write(1, 'y');
    await nodes.clock.until(() => machines.get('d')?.commands.length === 6);
    expect(machines.get('d')?.commands).toEqual([...commands, 'y0']);
  });

  it('every restore has its own genesis', async () => {
    const pieces = await backup();
    const genesisOf = async (options: Partial<RestoreOptions>): Promise<number> => {
      [log, snapshots] = [new MemoryLog(), new MemorySnapshots()];
      return (await restore(pieces, options)).genesis;
    };
    const all = [
      await genesisOf({}),
      await genesisOf({ cluster: 'restored-2' }),
      await genesisOf({ server: 'q' }),
      await genesisOf({ address: 'memory:q' }),
    ];
    expect(new Set(all).size).toBe(4);
    expect(await genesisOf({})).toBe(all[0]);
  });

  it('restoreServer decompresses a compressed state when copying it', async () => {
    const flip: SnapshotCompression = {
      kind: 200,
      compress: async function* (state) {
        for await (const piece of state) yield piece.map((byte) => byte ^ 255);
        yield bytes('end');
      },
      decompress: async function* (pieces) {
        let all = new Uint8Array(0);
        for await (const piece of pieces) all = Uint8Array.of(...all, ...piece);
        yield all.subarray(0, -3).map((byte) => byte ^ 255);
      },
    };
    const { membership, last } = await restore(await backup());
    const meta = { id: 'f'.repeat(32), cluster: 'test', last, membership, genesis: 1, version: 0 };
    const state = stream([bytes('5\n'), ...commands.map((command) => bytes(`${command}\n`))]);
    const compressed: Uint8Array[] = [];
    for await (const piece of encodeSnapshot(meta, state, { compression: flip, chunkBytes: 4 })) compressed.push(piece);
    [log, snapshots] = [new MemoryLog(), new MemorySnapshots()];
    await restore(compressed);
    nodes.logs.set('r', log);
    stores.set('r', snapshots);
    const node = await open('r', { cluster: 'restored', snapshotCompression: flip });
    await nodes.clock.until(() => node.isLeader);
    expect(machines.get('r')?.commands).toEqual(commands);
  });

  it('restoreServer accepts a snapshot that arrives in pieces of any size', async () => {
    const all = Buffer.concat(await backup());
    await restore(Array.from(all, (_, i) => all.subarray(i, i + 1)));
    expect(await start()).toEqual(commands);
  });

  it('a snapshot that is damaged or cut off at any position leaves a blank server', async () => {
    const all = Buffer.concat(await backup());
    const faulty = [...all.keys()].flatMap((i) => [all.with(i, all[i]! ^ 1), all.subarray(0, i)]);
    for (const bytesOfFile of faulty) {
      const failure = await outcome(restore([bytesOfFile]));
      expect(['KONTIKI_CORRUPT', 'KONTIKI_FORMAT']).toContain(failure);
    }
    expect(await log.open(target)).toMatchObject({ last: 0, ballot: undefined });
    await log.close();
    await snapshots.open(target);
    expect(await snapshots.list()).toEqual([]);
    await snapshots.close();
    await restore([all]);
    expect(await start()).toEqual(commands);
  });

  it('restoreServer refuses a server already restored, and the id of the old cluster', async () => {
    const pieces = await backup();
    expect(await outcome(restore(pieces, { cluster: 'test' }))).toBe('KONTIKI_BAD_OPTION');
    [log, snapshots] = [new MemoryLog(), new MemorySnapshots()];
    await restore(pieces);
    await expect(restore(pieces)).rejects.toMatchObject({
      code: 'KONTIKI_NOT_BLANK',
      message: expect.stringContaining('Start the server'),
    });
    expect(await start()).toEqual(commands);
  });

  it('restoreServer refuses a server that has lost its log', async () => {
    const pieces = await backup();
    await restore(pieces);
    log = new MemoryLog();
    expect(await outcome(restore(pieces))).toBe('KONTIKI_LOST_DATA');
  });

  it('an interrupted restore is finished by the next start or by a second call', async () => {
    const pieces = await backup();
    class Interrupted extends MemoryLog {
      isFaulty = true;
      override reset(...args: Parameters<MemoryLog['reset']>): Promise<void> {
        return this.isFaulty ? Promise.reject(new Error('killed')) : super.reset(...args);
      }
    }
    for (const repeats of [true, false]) {
      const interrupted = new Interrupted();
      [log, snapshots] = [interrupted, new MemorySnapshots()];
      await expect(restore(pieces)).rejects.toThrow('killed');
      interrupted.isFaulty = false;
      expect(await outcome(restore(pieces, { address: 'memory:q' }))).toBe('KONTIKI_NOT_BLANK');
      if (repeats) await restore(pieces);
      expect(await start()).toEqual(commands);
      await runToEnd(nodes.get('r').close(atOnce));
    }
  });

  it('restoreServer refuses invalid options', async () => {
    const pieces = await backup();
    for (const options of [{ address: '' }, { server: 'a b' }, { cluster: '' }, { adress: 'x' } as never])
      expect(await outcome(restore(pieces, options))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(restore([]))).toBe('KONTIKI_CORRUPT');
  });
});
