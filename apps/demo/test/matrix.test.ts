// Shows that every store works with every transport. For each combination, a cluster of three nodes
// writes, compacts its logs, catches up from a snapshot, and changes its leader. Prints a table of
// results. Also shows that a cluster on any store can be recovered after losing its majority, and
// can be restored.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootstrap,
  inspectServer,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
  recoverServer,
  restoreServer,
  type Stores,
  type Transport,
} from '@kontiki/core';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { Level } from 'level';
import { MemoryLevel } from 'memory-level';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeCommand } from '../src/kv/command.js';
import { KvMachine } from '../src/kv/machine.js';
import { eventually, freePorts } from './cluster.js';

/** The data of one server. It survives restarts of the server. */
interface ServerData {
  /** Returns the stores for the server's next start. */
  stores(): Stores;
  /** Called when the node is closed, to close the database that its stores use. */
  release?(): Promise<void>;
}

const STORES: Readonly<Record<string, (folder: string) => ServerData>> = {
  'storage-fs, snapshot': (folder) => ({
    stores: () => ({ log: new FileLog(folder), snapshots: new FileSnapshots(folder) }),
  }),
  'storage-level on LevelDB': (folder) => {
    let db: Level | undefined;
    return {
      stores: () => {
        db = new Level(folder);
        return { log: new LevelLog(db), snapshots: new LevelSnapshots(db) };
      },
      release: async () => db?.close(),
    };
  },
  'storage-level on memory-level': () => {
    const db = new MemoryLevel();
    return { stores: () => ({ log: new LevelLog(db), snapshots: new LevelSnapshots(db) }) };
  },
  'MemoryLog, MemorySnapshots': () => {
    const stores = { log: new MemoryLog(), snapshots: new MemorySnapshots() };
    return { stores: () => stores };
  },
};

/** A kind of transport, and addresses for the servers that use it. */
interface Wire {
  address(id: string): Promise<string>;
  transport(address: string): Transport;
}

const onPort = (scheme: string, make: (port: number) => Transport): Wire => ({
  address: async () => `${scheme}://127.0.0.1:${await freePorts(1)}`,
  transport: (address) => make(Number(new URL(address).port)),
});

const WIRES: Readonly<Record<string, () => Wire>> = {
  'transport-ws': () => onPort('ws', (port) => new WebSocketTransport({ listen: { port } })),
  'transport-http': () => onPort('http', (port) => new HttpTransport({ listen: { port } })),
  MemoryNetwork: () => {
    const network = new MemoryNetwork();
    return { address: async (id) => `memory:${id}`, transport: () => network.transport() };
  },
};

const ids = ['a', 'b', 'c'];
const cells = Object.keys(STORES).flatMap((store) => Object.keys(WIRES).map((wire) => ({ store, wire })));
const results = new Map<string, string>();

/** Three servers with one kind of store and one kind of transport. */
class Cluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'kontiki-matrix-'));
  readonly #id: string;
  readonly #store: string;
  readonly #data = new Map<string, ServerData>();
  readonly #wire: Wire;
  readonly #members: Record<string, string> = {};
  readonly machines = new Map<string, KvMachine>();
  readonly nodes = new Map<string, RaftNode<unknown>>();

  constructor(store: string, wire: string, id = 'matrix') {
    this.#id = id;
    this.#store = store;
    this.#wire = WIRES[wire]!();
  }

  /** Adds a blank server, and resolves with its address. */
  async add(id: string): Promise<string> {
    this.#data.set(id, STORES[this.#store]!(join(this.#folder, id)));
    return (this.#members[id] = await this.#wire.address(id));
  }

  /** Calls a function with the closed stores of a stopped server. */
  async withStores<T>(id: string, use: (stores: Stores) => Promise<T>): Promise<T> {
    const data = this.#data.get(id)!;
    try {
      return await use(data.stores());
    } finally {
      await data.release?.();
    }
  }

  async bootstrap(): Promise<void> {
    for (const id of ids) await this.add(id);
    for (const id of ids) {
      await this.withStores(id, ({ log }) => bootstrap(log, { cluster: this.#id, server: id, members: this.#members }));
    }
    for (const id of ids) await this.start(id);
  }

  async start(id: string): Promise<void> {
    const machine = new KvMachine();
    this.machines.set(id, machine);
    const node = await RaftNode.open<unknown>({
      id,
      cluster: this.#id,
      machine,
      ...this.#data.get(id)!.stores(),
      snapshotPolicy: { maxEntries: 20, trailingEntries: 0, keep: 1 },
      transport: this.#wire.transport(this.#members[id]!),
      timings: { heartbeat: 50, election: 250 },
    });
    this.nodes.set(id, node);
  }

  async stop(id: string): Promise<void> {
    await this.nodes.get(id)?.close();
    this.nodes.delete(id);
    await this.#data.get(id)!.release?.();
  }

  get leader(): RaftNode<unknown> | undefined {
    return [...this.nodes.values()].find((node) => node.isLeader);
  }

  async write(from: number, to: number): Promise<void> {
    for (let i = from; i < to; i += 1) {
      const put = { kind: 'put', key: `k${i}`, value: Uint8Array.of(i), condition: { kind: 'always' } } as const;
      // On a busy machine, the leader may change. The put is then retried, which is harmless.
      await eventually(`k${i} is written`, async () => {
        const written = await this.leader?.propose(encodeCommand(put)).catch(() => undefined);
        return written !== undefined;
      });
    }
  }

  async caughtUp(id: string): Promise<void> {
    await eventually(`${id} has caught up`, () => {
      const applied = this.nodes.get(id)?.status().applied ?? 0;
      return this.leader !== undefined && applied >= this.leader.status().committed;
    });
  }

  async remove(): Promise<void> {
    for (const id of this.nodes.keys()) await this.stop(id);
    rmSync(this.#folder, { recursive: true });
  }
}

describe('every store with every transport', () => {
  afterAll(() => {
    const wires = Object.keys(WIRES);
    const rows = Object.keys(STORES).map((store) => [
      store,
      ...wires.map((w) => results.get(`${store} ${w}`) ?? 'FAILED'),
    ]);
    const text = [['', ...wires], ...rows].map((row) =>
      row
        .map((cell) => cell.padEnd(31))
        .join('')
        .trimEnd(),
    );
    console.log(`every store with every transport:\n${text.join('\n')}`);
  });

  it.each(cells)('a cluster on $store with $wire elects leaders, compacts and catches up', async ({ store, wire }) => {
    const cluster = new Cluster(store, wire);
    try {
      await cluster.bootstrap();
      await cluster.write(0, 10);
      const follower = ids.find((id) => id !== cluster.leader?.id)!;
      const lastIndex = cluster.nodes.get(follower)!.status().last;
      await cluster.stop(follower);
      await cluster.write(10, 80);
      // Wait until the entries that the follower is missing are no longer in the log, so that it
      // needs a snapshot.
      await eventually('the leader has compacted', () => (cluster.leader?.status().base ?? 0) > lastIndex);
      await cluster.start(follower);
      await cluster.caughtUp(follower);
      await cluster.stop(cluster.leader!.id);
      await cluster.write(80, 90);
      const node = cluster.nodes.get(follower)!;
      const keys = await node.read(() => cluster.machines.get(follower)!.size);
      expect(keys).toBe(90);
      results.set(`${store} ${wire}`, 'ok');
    } finally {
      await cluster.remove();
    }
  });
});

/** Returns the bytes of a stopped server's newest snapshot. */
async function newestSnapshot({ snapshots }: Stores, server: string): Promise<Uint8Array[]> {
  await snapshots!.open({ cluster: 'matrix', server });
  const pieces: Uint8Array[] = [];
  for await (const piece of snapshots!.read((await snapshots!.list())[0]!.id)) pieces.push(piece);
  await snapshots!.close();
  return pieces;
}

async function* stream(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}

describe.each(Object.keys(STORES))('disasters on %s', (store) => {
  it(`a server on ${store} is recovered after a lost majority, and others join`, async () => {
    const cluster = new Cluster(store, 'transport-ws');
    try {
      await cluster.bootstrap();
      await cluster.write(0, 60);
      // This node was the leader, so it has applied every acknowledged write.
      const survivor = cluster.leader!.id;
      for (const id of ids) await cluster.stop(id);
      const owner = { cluster: 'matrix', server: survivor };
      const recover = (): Promise<unknown> =>
        cluster.withStores(survivor, ({ log, snapshots }) => recoverServer(log, { ...owner, snapshots }));
      expect(await recover()).toMatchObject({ epoch: expect.stringMatching(/^[0-9a-f]{32}$/) });
      await expect(recover()).rejects.toMatchObject({ code: 'KONTIKI_BAD_CHANGE' });
      const { snapshot, membership } = await cluster.withStores(survivor, ({ log, snapshots }) =>
        inspectServer(log, { ...owner, snapshots }),
      );
      expect(snapshot?.last.index).toBeGreaterThan(20);
      expect(membership?.membership.voters).toEqual([survivor]);
      await cluster.start(survivor);
      await cluster.write(60, 70);
      const address = await cluster.add('d');
      await cluster.start('d');
      await cluster.leader!.members.addVoter('d', address);
      expect(await cluster.nodes.get('d')!.read(() => cluster.machines.get('d')!.size)).toBe(70);
    } finally {
      await cluster.remove();
    }
  });

  it(`a new cluster starts from a snapshot of a server on ${store}`, async () => {
    const [old, restored] = [new Cluster(store, 'MemoryNetwork'), new Cluster(store, 'transport-ws', 'restored')];
    try {
      await old.bootstrap();
      await old.write(0, 60);
      const { id } = old.leader!;
      const { last } = await old.leader!.snapshot();
      expect(last.index).toBeGreaterThan(60);
      await old.stop(id);
      const pieces = await old.withStores(id, (stores) => newestSnapshot(stores, id));
      const address = await restored.add('r');
      await restored.withStores('r', ({ log, snapshots }) =>
        restoreServer(log, snapshots!, stream(pieces), { cluster: 'restored', server: 'r', address }),
      );
      await restored.start('r');
      await restored.write(60, 61);
      const other = await restored.add('s');
      await restored.start('s');
      await restored.leader!.members.addVoter('s', other);
      expect(await restored.nodes.get('s')!.read(() => restored.machines.get('s')!.size)).toBe(61);
    } finally {
      await old.remove();
      await restored.remove();
    }
  });
});
