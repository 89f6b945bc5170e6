import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { DemoCluster } from './cluster.js';

const REQUEST_TIMEOUT = 3_000;

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** How a PUT ended: done, surely refused, or unknown. */
type Outcome = { readonly kind: 'done' | 'refused' | 'unknown'; readonly leader?: string | undefined };

/** Writers that each set one new key after another, and remember what was acknowledged. */
export class Load {
  readonly acknowledged = new Set<string>();
  unknown = 0;
  refused = 0;
  readonly #cluster: DemoCluster;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #writers: Promise<void>[];
  #running = true;

  constructor(cluster: DemoCluster, writers: number, name: string) {
    this.#cluster = cluster;
    this.#writers = Array.from({ length: writers }, (_, i) => this.#write(`${name}-${i}`));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#writers);
    this.#agent.destroy();
  }

  /** Reads every acknowledged key, linearizably or at one node; returns those that are not as they were acknowledged. */
  async missing(local?: string): Promise<string[]> {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const leader = (await this.#cluster.leader())?.id;
    const url = this.#cluster.url(local ?? leader ?? 'n1');
    const lost: string[] = [];
    await Promise.all(
      [...this.acknowledged].map(async (key) => {
        const { status, body } = await send(
          'GET',
          `${url}/kv/${key}${local === undefined ? '' : '?consistency=local'}`,
          agent,
        );
        if (status !== 200 || body !== key) lost.push(key);
      }),
    );
    agent.destroy();
    return lost;
  }

  async #write(name: string): Promise<void> {
    const { ids } = this.#cluster;
    let url = this.#cluster.url(ids[0] as string);
    let n = 0;
    while (this.#running) {
      const key = `${name}-${n++}`;
      let attempt = 0;
      while (this.#running) {
        const outcome = await this.#put(url, key);
        url = outcome.leader ?? this.#cluster.url(ids[attempt++ % ids.length] as string);
        if (outcome.kind === 'done') this.acknowledged.add(key);
        if (outcome.kind === 'unknown') this.unknown += 1;
        if (outcome.kind !== 'refused') break;
        this.refused += 1;
        await pause(20);
      }
    }
  }

  async #put(first: string, key: string): Promise<Outcome> {
    let url = first;
    for (let hop = 0; hop < 4; hop += 1) {
      let answer: Answer;
      try {
        answer = await send('PUT', `${url}/kv/${key}`, this.#agent, key);
      } catch (error) {
        return { kind: (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unknown' };
      }
      if (answer.status === 204) return { kind: 'done', leader: url };
      if (answer.status === 504) return { kind: 'unknown' };
      if (answer.status !== 307) return { kind: 'refused' };
      url = new URL(answer.location ?? first).origin;
    }
    return { kind: 'refused' };
  }
}

function send(method: string, url: string, agent: Agent, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent, timeout: REQUEST_TIMEOUT }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body: text }),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}
