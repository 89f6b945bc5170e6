import { setTimeout as pause } from 'node:timers/promises';
import { Random, type Operation, type RegisterInput } from '@kontiki/testing';
import type { NodeRequest } from '../src/client/http-client.js';
import { requestFromLeader, type RequestOutcome } from '../src/client/leader-request.js';
import type { DemoCluster } from './cluster.js';

/**
 * Milliseconds after which clients switch to new keys, so that the history of each key stays short.
 */
const ROTATION = 250;
const KEYS = 4;

/**
 * Clients that read, write, and compare-and-set a few keys through all nodes. Each operation is
 * recorded with its observed outcome.
 */
export class Recorder {
  readonly history: Operation<RegisterInput>[] = [];
  readonly #cluster: DemoCluster;
  readonly #clients: Promise<void>[];
  #running = true;
  #values = 0;

  constructor(cluster: DemoCluster, clients: number) {
    this.#cluster = cluster;
    this.#clients = Array.from({ length: clients }, (_, i) => this.#run(new Random(i, 'client')));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #run(random: Random): Promise<void> {
    while (this.#running) {
      const url = this.#cluster.url(random.pick(this.#cluster.ids));
      const key = `h-${Math.floor(performance.now() / ROTATION)}-${random.below(KEYS)}`;
      const choice = random.next();
      if (choice < 0.4) await this.#read(url, key);
      else if (choice < 0.8) await this.#write(url, key);
      else await this.#compareAndSet(url, key);
    }
  }

  async #read(url: string, key: string): Promise<{ value: string | null; revision: string | undefined } | undefined> {
    const call = performance.now();
    const outcome = await this.#request(url, { method: 'GET', path: `/kv/${key}` });
    if (outcome.kind !== 'answered' || ![200, 404].includes(outcome.response.status)) return undefined;
    const { status, body, headers } = outcome.response;
    const value = status === 404 ? null : body.toString();
    this.#record(key, call, true, { type: 'read', value });
    return { value, revision: headers.etag };
  }

  async #write(url: string, key: string): Promise<void> {
    const value = this.#nextValue;
    const call = performance.now();
    const outcome = await this.#request(url, { method: 'PUT', path: `/kv/${key}`, body: value });
    if (outcome.kind !== 'refused') this.#record(key, call, outcome.kind === 'answered', { type: 'write', value });
  }

  async #compareAndSet(url: string, key: string): Promise<void> {
    const seen = await this.#read(url, key);
    if (seen === undefined) return;
    const { value: expected, revision } = seen;
    const value = this.#nextValue;
    const headers: Record<string, string> =
      revision === undefined ? { 'If-None-Match': '*' } : { 'If-Match': revision };
    const call = performance.now();
    const outcome = await this.#request(url, { method: 'PUT', path: `/kv/${key}`, body: value, headers });
    if (outcome.kind === 'refused') return;
    const done = outcome.kind === 'answered' ? { done: outcome.response.status === 204 } : {};
    this.#record(key, call, outcome.kind === 'answered', { type: 'cas', expected, value, ...done });
  }

  async #request(url: string, request: NodeRequest): Promise<RequestOutcome> {
    const outcome = await requestFromLeader(this.#cluster.http, url, request, 3_000);
    if (outcome.kind === 'refused') await pause(10);
    return outcome;
  }

  #record(key: string, call: number, answered: boolean, input: RegisterInput): void {
    this.history.push({ key, call, end: answered ? performance.now() : null, input });
  }

  /** Returns a value that no client has written before. */
  get #nextValue(): string {
    return `v${(this.#values += 1)}`;
  }
}
