import { setTimeout as pause } from 'node:timers/promises';
import { Random, type Operation, type RegisterInput } from '@kontiki/testing';
import { ClientError, NoResponseError, type ClusterClient, type NodeRequest, type NodeResponse } from '@kontiki/client';
import type { DemoCluster } from './cluster.js';

/**
 * Milliseconds after which clients switch to new keys, so that the history of each key stays short.
 */
const ROTATION = 250;
const KEYS = 4;
/** Milliseconds after which a client gives up. */
const TIMEOUT = 3_000;

type Send = (request: NodeRequest) => Promise<Outcome>;

/** A `refused` request had no effect. An `unknown` request may have had an effect. */
type Outcome =
  { readonly kind: 'answered'; readonly response: NodeResponse } | { readonly kind: 'refused' | 'unknown' };

/**
 * Clients that read, write, and compare-and-set a few keys through all nodes. Each operation is
 * recorded with its observed outcome. Half of the clients use sessions and repeat their writes. The
 * others send each request once, to a random node.
 */
export class Recorder {
  readonly history: Operation<RegisterInput>[] = [];
  readonly #cluster: DemoCluster;
  readonly #clients: Promise<void>[];
  #running = true;
  #values = 0;

  /** With `allInSessions`, every client uses a session, and gives up only after this time. */
  constructor(cluster: DemoCluster, clients: number, allInSessions?: { readonly timeout: number }) {
    this.#cluster = cluster;
    this.#clients = Array.from({ length: clients }, (_, i) => {
      const hasSession = allInSessions !== undefined || i % 2 === 0;
      const session = hasSession ? cluster.client(allInSessions?.timeout ?? TIMEOUT) : undefined;
      return this.#run(new Random(i, 'client'), session);
    });
  }

  /** The number of recorded operations without a known outcome. */
  get unknown(): number {
    return this.history.filter(({ end }) => end === null).length;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #run(random: Random, session: ClusterClient | undefined): Promise<void> {
    while (this.#running) {
      const send = (request: NodeRequest): Promise<Outcome> =>
        session === undefined
          ? this.#sendOnce(this.#cluster.url(random.pick(this.#cluster.ids)), request)
          : sendInSession(session, request);
      const key = `h-${Math.floor(performance.now() / ROTATION)}-${random.below(KEYS)}`;
      const choice = random.next();
      if (choice < 0.4) await this.#read(send, key);
      else if (choice < 0.8) await this.#write(send, key);
      else await this.#compareAndSet(send, key);
    }
  }

  async #read(send: Send, key: string): Promise<{ value: string | null; revision: string | undefined } | undefined> {
    const call = performance.now();
    const outcome = await send({ method: 'GET', path: `/kv/${key}` });
    if (outcome.kind !== 'answered' || ![200, 404].includes(outcome.response.status)) return undefined;
    const { status, body, headers } = outcome.response;
    const value = status === 404 ? null : body.toString();
    this.#record(key, call, true, { type: 'read', value });
    return { value, revision: headers.etag };
  }

  async #write(send: Send, key: string): Promise<void> {
    const value = this.#nextValue;
    const call = performance.now();
    const outcome = await send({ method: 'PUT', path: `/kv/${key}`, body: value });
    if (outcome.kind !== 'refused') this.#record(key, call, outcome.kind === 'answered', { type: 'write', value });
  }

  async #compareAndSet(send: Send, key: string): Promise<void> {
    const seen = await this.#read(send, key);
    if (seen === undefined) return;
    const { value: expected, revision } = seen;
    const value = this.#nextValue;
    const headers: Record<string, string> =
      revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision };
    const call = performance.now();
    const outcome = await send({ method: 'PUT', path: `/kv/${key}`, body: value, headers });
    if (outcome.kind === 'refused') return;
    const done = outcome.kind === 'answered' ? { done: outcome.response.status === 204 } : {};
    this.#record(key, call, outcome.kind === 'answered', { type: 'cas', expected, value, ...done });
  }

  async #sendOnce(url: string, request: NodeRequest): Promise<Outcome> {
    try {
      const response = await this.#cluster.http.send(url, request, TIMEOUT);
      if (response.status < 500 && response.status !== 307) return answered(response);
      if (response.status >= 500 && response.status !== 503) return { kind: 'unknown' };
    } catch (error) {
      if (!(error instanceof NoResponseError)) throw error;
      if (error.sent) return { kind: 'unknown' };
    }
    await pause(10);
    return { kind: 'refused' };
  }

  #record(key: string, call: number, answered: boolean, input: RegisterInput): void {
    this.history.push({ key, call, end: answered ? performance.now() : null, input });
  }

  /** Returns a value that no client has written before. */
  get #nextValue(): string {
    return `v${(this.#values += 1)}`;
  }
}

async function sendInSession(client: ClusterClient, request: NodeRequest): Promise<Outcome> {
  try {
    return answered(await client[request.method === 'GET' ? 'read' : 'write'](request));
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return { kind: error.code === 'KONTIKI_UNKNOWN_OUTCOME' ? 'unknown' : 'refused' };
  }
}

function answered(response: NodeResponse): Outcome {
  const { status, body } = response;
  if (![200, 204, 404, 412].includes(status)) throw new Error(`unexpected status ${status}: ${body.toString()}`);
  return { kind: 'answered', response };
}
