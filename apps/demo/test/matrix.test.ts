import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootstrap,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
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

/** What one server keeps, across its lives. */
interface Kept {
  /** The stores of one life. */
  stores(): Stores;
  /** Called after each life. */
  release?(): Promise<void>;
}

const STORES: Readonly<Record<string, (folder: string) => Kept>> = {
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

/** A way to speak: the address of a server, and its end of it. */
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
const outcome = new Map<string, string>();

/** Three servers with one kind of store and one kind of transport. */
class Cluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'kontiki-matrix-'));
  readonly #kept: ReadonlyMap<string, Kept>;
  readonly #wire: Wire;
  readonly #members: Record<string, string> = {};
  readonly machines = new Map<string, KvMachine>();
  readonly nodes = new Map<string, RaftNode<unknown>>();

  constructor(store: string, wire: string) {
    this.#wire = WIRES[wire]!();
    this.#kept = new Map(ids.map((id) => [id, STORES[store]!(join(this.#folder, id))]));
  }

  async begin(): Promise<void> {
    for (const id of ids) this.#members[id] = await this.#wire.address(id);
    for (const id of ids) {
      const kept = this.#kept.get(id)!;
      await bootstrap(kept.stores().log, { cluster: 'matrix', server: id, members: this.#members });
      await kept.release?.();
    }
    for (const id of ids) await this.start(id);
  }

  async start(id: string): Promise<void> {
    const machine = new KvMachine();
    this.machines.set(id, machine);
    const node = await RaftNode.open<unknown>({
      id,
      cluster: 'matrix',
      machine,
      ...this.#kept.get(id)!.stores(),
      snapshotPolicy: { maxEntries: 20, trailingEntries: 0, keep: 1 },
      transport: this.#wire.transport(this.#members[id]!),
      timings: { heartbeat: 50, election: 250 },
    });
    this.nodes.set(id, node);
  }

  async stop(id: string): Promise<void> {
    await this.nodes.get(id)?.close();
    this.nodes.delete(id);
    await this.#kept.get(id)!.release?.();
  }

  get leader(): RaftNode<unknown> | undefined {
    return [...this.nodes.values()].find((node) => node.isLeader);
  }

  async write(from: number, to: number): Promise<void> {
    for (let i = from; i < to; i += 1) {
      const put = { kind: 'put', key: `k${i}`, value: Uint8Array.of(i), condition: { kind: 'always' } } as const;
      // A busy machine may change its leader, and a put may be done twice.
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
      ...wires.map((w) => outcome.get(`${store} ${w}`) ?? 'FAILED'),
    ]);
    const text = [['', ...wires], ...rows].map((row) =>
      row
        .map((cell) => cell.padEnd(31))
        .join('')
        .trimEnd(),
    );
    console.log(`every store with every transport:\n${text.join('\n')}`);
  });

  it.each(cells)('$store with $wire', async ({ store, wire }) => {
    const cluster = new Cluster(store, wire);
    try {
      await cluster.begin();
      await cluster.write(0, 10);
      const late = ids.find((id) => id !== cluster.leader?.id)!;
      const held = cluster.nodes.get(late)!.status().last;
      await cluster.stop(late);
      await cluster.write(10, 80);
      // What it lacks is no longer in the log: only a snapshot can bring it.
      await eventually('the leader has compacted', () => (cluster.leader?.status().base ?? 0) > held);
      await cluster.start(late);
      await cluster.caughtUp(late);
      await cluster.stop(cluster.leader!.id);
      await cluster.write(80, 90);
      const node = cluster.nodes.get(late)!;
      const keys = await node.read(() => cluster.machines.get(late)!.size);
      expect(keys).toBe(90);
      outcome.set(`${store} ${wire}`, 'ok');
    } finally {
      await cluster.remove();
    }
  });
});
