import { bootstrap, MemoryLog, MemoryNetwork, RaftNode } from '@kontiki/core';
import { CountingClock, countLog, countTransport, nothing, type Counted } from './counting.js';
import { load, type LoadResult } from './load.js';
import { adder } from './machine.js';

const cluster = 'bench';
const ids = ['a', 'b', 'c'];

/** Three nodes in this process, over encoded frames, with logs in memory. */
export class InMemory {
  readonly counted = new Map<string, Counted>();
  readonly #nodes: RaftNode<number>[] = [];
  readonly #clock = new CountingClock();

  static async open(): Promise<InMemory> {
    const all = new InMemory();
    const network = new MemoryNetwork();
    const members = Object.fromEntries(ids.map((id) => [id, `memory:${id}`]));
    for (const id of ids) {
      const counted = nothing();
      all.counted.set(id, counted);
      const log = new MemoryLog();
      await bootstrap(log, { cluster, server: id, members });
      all.#nodes.push(
        await RaftNode.open({
          id,
          cluster,
          machine: adder(),
          log: countLog(log, counted),
          transport: countTransport(network.transport(), counted),
          clock: all.#clock,
          timings: { heartbeat: 50, election: 300 },
        }),
      );
    }
    await new Promise<void>((led) => {
      for (const node of all.#nodes) node.on('commit', () => node.isLeader && led());
    });
    return all;
  }

  get leader(): RaftNode<number> {
    const leader = this.#nodes.find((node) => node.isLeader);
    if (leader === undefined) throw new Error('No node leads any more: this machine is too busy to measure on.');
    return leader;
  }

  load(proposers: number, milliseconds: number): Promise<LoadResult> {
    return load(this.leader, proposers, milliseconds);
  }

  /** Wake-ups a second of one idle node. */
  async idleWakeUps(milliseconds: number): Promise<number> {
    const before = this.#clock.wakeUps;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return ((this.#clock.wakeUps - before) * 1_000) / milliseconds / ids.length;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
  }
}
