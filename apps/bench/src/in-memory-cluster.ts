import { bootstrap, MemoryLog, MemoryNetwork, RaftNode } from '@kontiki/core';
import { CountingClock, countLog, countTransport, newCounters, type Counters } from './counters.js';
import { command, load, type LoadResult } from './load.js';
import { adder } from './machines.js';

const cluster = 'bench';
const ids = ['a', 'b', 'c'];

/** Three nodes in this process that have in-memory logs and exchange encoded frames. */
export class InMemoryCluster {
  readonly counters = new Map<string, Counters>();
  readonly #nodes: RaftNode<number>[] = [];
  readonly #clock = new CountingClock();

  static async open(): Promise<InMemoryCluster> {
    const opened = new InMemoryCluster();
    const network = new MemoryNetwork();
    const members = Object.fromEntries(ids.map((id) => [id, `memory:${id}`]));
    for (const id of ids) {
      const counters = newCounters();
      opened.counters.set(id, counters);
      const log = new MemoryLog();
      await bootstrap(log, { cluster, server: id, members });
      opened.#nodes.push(
        await RaftNode.open({
          id,
          cluster,
          machine: adder(),
          log: countLog(log, counters),
          transport: countTransport(network.transport(), counters),
          clock: opened.#clock,
          timings: { heartbeat: 50, election: 300 },
        }),
      );
    }
    await new Promise<void>((resolve) => {
      for (const node of opened.#nodes) node.on('commit', () => node.isLeader && resolve());
    });
    return opened;
  }

  get leader(): RaftNode<number> {
    const leader = this.#nodes.find((node) => node.isLeader);
    if (leader === undefined)
      throw new Error(
        'The in-memory cluster lost its leader. This machine is too busy for measurements. Run them again later.',
      );
    return leader;
  }

  load(proposers: number, milliseconds: number): Promise<LoadResult> {
    const { leader } = this;
    return load(() => leader.propose(command), proposers, milliseconds);
  }

  /** Measures how many timers fire per second in one idle node. */
  async idleWakeUps(milliseconds: number): Promise<number> {
    const before = this.#clock.wakeUps;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return ((this.#clock.wakeUps - before) * 1_000) / milliseconds / ids.length;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.close()));
  }
}
