import { setTimeout as pause } from 'node:timers/promises';
import { put } from '../src/client/leader-request.js';
import { eventually, type DemoCluster } from './cluster.js';

const READERS = 16;

/** Writers that set new keys one after another, and record which writes were acknowledged. */
export class Load {
  readonly acknowledged = new Set<string>();
  unknown = 0;
  refused = 0;
  #lastAt = performance.now();
  #longestGap = 0;
  readonly #cluster: DemoCluster;
  readonly #writers: Promise<void>[];
  #running = true;

  constructor(cluster: DemoCluster, writers: number, name: string) {
    this.#cluster = cluster;
    this.#writers = Array.from({ length: writers }, (_, i) => this.#write(`${name}-${i}`));
  }

  /**
   * Returns the longest time without an acknowledged write since the last call, in milliseconds.
   */
  takeLongestGap(): number {
    const gap = Math.max(this.#longestGap, performance.now() - this.#lastAt);
    this.#longestGap = 0;
    this.#lastAt = performance.now();
    return Math.round(gap);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#writers);
  }

  /**
   * Reads every acknowledged key, with linearizable reads or locally on one node. Returns the keys
   * that do not have their acknowledged value. A refused read is repeated at the current leader,
   * because a refusal does not show whether the cluster has the key.
   */
  async missing(local?: string): Promise<string[]> {
    const { http } = this.#cluster;
    let leader = local ?? (this.#cluster.ids[0] as string);
    const lost: string[] = [];
    const keys = this.acknowledged.values();
    const read = async (key: string): Promise<boolean> => {
      const path = `/kv/${key}${local === undefined ? '' : '?consistency=local'}`;
      const answer = await http.send(this.#cluster.url(leader), { method: 'GET', path }, 3_000).catch(() => undefined);
      const answered = answer?.status === 200 || answer?.status === 404;
      if (answered && answer.body.toString() !== key) lost.push(key);
      if (!answered && local === undefined) leader = (await this.#cluster.leader())?.id ?? leader;
      return answered;
    };
    const readAll = async (): Promise<void> => {
      for (const key of keys) await eventually(`an answer to a read of ${key}`, () => read(key));
    };
    await Promise.all(Array.from({ length: READERS }, readAll));
    return lost;
  }

  #acknowledge(key: string): void {
    this.acknowledged.add(key);
    this.#longestGap = Math.max(this.#longestGap, performance.now() - this.#lastAt);
    this.#lastAt = performance.now();
  }

  async #write(name: string): Promise<void> {
    let url = this.#cluster.url(this.#cluster.ids[0] as string);
    let n = 0;
    // Try the next node after every failure, because a node stopped by SIGSTOP does not answer at
    // all.
    let attempt = 0;
    while (this.#running) {
      const key = `${name}-${n++}`;
      while (this.#running) {
        const { ids } = this.#cluster;
        const outcome = await put(this.#cluster.http, url, key, key);
        url = outcome.leader ?? this.#cluster.url(ids[attempt++ % ids.length] as string);
        if (outcome.kind === 'done') this.#acknowledge(key);
        if (outcome.kind === 'unknown') this.unknown += 1;
        if (outcome.kind !== 'refused') break;
        this.refused += 1;
        await pause(20);
      }
    }
  }
}
