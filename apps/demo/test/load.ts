import { ClientError, type ClusterClient } from '@kontiki/client';
import { eventually, type DemoCluster } from './cluster.js';

const READERS = 16;
const TIMEOUT = 60_000;

/**
 * Writers that set new keys one after another, in sessions, and record which writes were
 * acknowledged. A write is repeated for up to `TIMEOUT` milliseconds.
 */
export class Load {
  readonly acknowledged = new Set<string>();
  /** The number of attempts that were refused or not answered. */
  retries = 0;
  /** The errors of writes that were not acknowledged. */
  readonly failed: string[] = [];
  #lastAt = performance.now();
  #longestGap = 0;
  readonly #cluster: DemoCluster;
  readonly #client: ClusterClient;
  readonly #writers: Promise<void>[];
  #running = true;

  constructor(cluster: DemoCluster, writers: number, name: string) {
    this.#cluster = cluster;
    this.#client = cluster.client(TIMEOUT);
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
    const onRetry = (): void => void (this.retries += 1);
    let n = 0;
    while (this.#running) {
      const key = `${name}-${n++}`;
      try {
        const { status } = await this.#client.write({ method: 'PUT', path: `/kv/${key}`, body: key }, { onRetry });
        if (status !== 204) throw new Error(`A PUT was answered with status ${status}.`);
        this.#acknowledge(key);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        this.failed.push(error.message);
      }
    }
  }
}
