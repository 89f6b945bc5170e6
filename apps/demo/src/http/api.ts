import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { NotLeaderError, type Logger, type RaftNode } from '@kontiki/core';
import { encodeCommand, MAX_KEY, MAX_VALUE, type Condition } from '../kv/command.js';
import type { KvMachine, KvResult } from '../kv/machine.js';
import { answerFailure, answerJson, HttpError } from './answers.js';
import type { SnapshotApi } from './snapshot-api.js';

/** Keys that one listing holds at the most. */
const MAX_LIST = 1_000;

/** What a request is about; `path` is the part behind the host, for redirects. */
interface Target {
  readonly path: string;
  readonly query: URLSearchParams;
  /** The key of `/kv/KEY`; undefined for `/kv`. */
  readonly key: string | undefined;
}

export interface KvApiOptions {
  readonly node: RaftNode<KvResult>;
  readonly machine: KvMachine;
  readonly snapshots: SnapshotApi;
  readonly logger: Logger;
}

/** The HTTP interface of one node. */
export class KvApi {
  readonly #node: RaftNode<KvResult>;
  readonly #machine: KvMachine;
  readonly #snapshots: SnapshotApi;
  readonly #logger: Logger;

  constructor({ node, machine, snapshots, logger }: KvApiOptions) {
    this.#node = node;
    this.#machine = machine;
    this.#snapshots = snapshots;
    this.#logger = logger;
  }

  /** A server with limits of size and time; the caller listens. */
  server(): Server {
    const server = createServer(
      {
        headersTimeout: 5_000,
        requestTimeout: 30_000,
        keepAliveTimeout: 60_000,
        connectionsCheckingInterval: 1_000,
        maxHeaderSize: 16 * 1024,
        noDelay: true,
      },
      (request, response) => {
        this.#handle(request, response).catch((error: unknown) => {
          if (response.headersSent || response.destroyed) return;
          if (!(error instanceof HttpError)) this.#logger.debug('a request failed', { error });
          answerFailure(response, request.url ?? '/', error);
        });
      },
    );
    server.maxConnections = 1_024;
    return server;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const mark = path.indexOf('?');
    const route = mark < 0 ? path : path.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? '' : path.slice(mark));
    if (route.startsWith('/kv/')) return this.#key(request, response, { path, query, key: keyOf(route.slice(4)) });
    if (route === '/snapshot') return this.#snapshots.handle(request, response);
    if (request.method !== 'GET') throw new HttpError(405, 'METHOD', `${route} takes GET.`);
    if (route === '/kv') return this.#list(response, { path, query, key: undefined });
    if (route === '/status') return answerJson(response, 200, await this.#status());
    if (route === '/health') return this.#health(response);
    throw new HttpError(404, 'ROUTE', 'There are /kv/KEY, /kv?prefix=, /status, /health and /snapshot.');
  }

  async #key(request: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const key = target.key as string;
    if (request.method === 'GET' || request.method === 'HEAD') return this.#get(response, target);
    if (request.method !== 'PUT' && request.method !== 'DELETE') {
      throw new HttpError(405, 'METHOD', 'A key takes GET, PUT and DELETE.');
    }
    const condition = conditionOf(request);
    const body = await readBody(request, request.method === 'PUT' ? MAX_VALUE : 0);
    const command = request.method === 'PUT' ? { kind: 'put' as const, value: body } : { kind: 'delete' as const };
    const { result } = await this.#node.propose(encodeCommand({ ...command, key, condition }));
    switch (result.kind) {
      case 'written':
        response.writeHead(204, { ETag: `"${result.revision}"` });
        response.end();
        return;
      case 'deleted':
        response.writeHead(204);
        response.end();
        return;
      case 'absent':
        throw new HttpError(404, 'ABSENT', 'There is no such key.');
      case 'conflict':
        return answerConflict(response, result.revision);
    }
  }

  async #get(response: ServerResponse, target: Target): Promise<void> {
    const item = await this.#read(target, () => this.#machine.get(target.key as string));
    if (item === undefined) throw new HttpError(404, 'ABSENT', 'There is no such key.');
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': item.value.length,
      ETag: `"${item.revision}"`,
    });
    response.end(item.value);
  }

  async #list(response: ServerResponse, target: Target): Promise<void> {
    const items = await this.#read(target, () => this.#machine.list(target.query.get('prefix') ?? '', MAX_LIST + 1));
    const keys = items.slice(0, MAX_LIST).map(([key, { revision, value }]) => ({ key, revision, bytes: value.length }));
    answerJson(response, 200, { keys, more: items.length > MAX_LIST });
  }

  /** Linearizable reads are the leader's: that spares a round trip, and the redirect keeps the client there. */
  #read<T>({ query }: Target, read: () => T): Promise<T> {
    const consistency = query.get('consistency') ?? 'linearizable';
    if (consistency === 'local') return this.#node.read(read, { consistency });
    if (consistency !== 'linearizable')
      throw new HttpError(400, 'CONSISTENCY', 'consistency is linearizable or local.');
    if (!this.#node.isLeader)
      throw new NotLeaderError('This node does not lead, and no leader is known.', this.#node.leader);
    return this.#node.read(read);
  }

  async #status(): Promise<unknown> {
    const { leader, membership, ...status } = this.#node.status();
    const members = membership && Object.fromEntries([...membership.servers].map(([id, info]) => [id, info.metadata]));
    const snapshot = await this.#snapshots.newest();
    return { pid: process.pid, ...status, leader: leader?.id ?? null, members, keys: this.#machine.size, snapshot };
  }

  #health(response: ServerResponse): void {
    const { role, leader } = this.#node.status();
    const healthy = leader !== undefined && role !== 'failed' && role !== 'closed';
    answerJson(response, healthy ? 200 : 503, { healthy, role, leader: leader?.id ?? null });
  }
}

function answerConflict(response: ServerResponse, revision: number | undefined): void {
  const message = revision === undefined ? 'The key is not there.' : `The key is at revision ${revision}.`;
  answerJson(
    response,
    412,
    { error: { code: 'CONFLICT', message } },
    revision === undefined ? {} : { ETag: `"${revision}"` },
  );
}

function keyOf(encoded: string): string {
  let key: string;
  try {
    key = decodeURIComponent(encoded);
  } catch {
    throw new HttpError(400, 'KEY', 'The key is not percent-encoded UTF-8.');
  }
  if (key === '' || Buffer.byteLength(key) > MAX_KEY)
    throw new HttpError(400, 'KEY', `A key has 1 to ${MAX_KEY} bytes.`);
  return key;
}

function conditionOf({ headers }: IncomingMessage): Condition {
  const match = headers['if-match'];
  if (headers['if-none-match'] !== undefined) {
    if (headers['if-none-match'] === '*' && match === undefined) return { kind: 'absent' };
    throw new HttpError(400, 'CONDITION', 'If-None-Match takes * and goes without If-Match.');
  }
  if (match === undefined) return { kind: 'always' };
  const revision = /^"([1-9][0-9]{0,15})"$/.exec(match)?.[1];
  if (revision === undefined || !Number.isSafeInteger(Number(revision))) {
    throw new HttpError(400, 'CONDITION', 'If-Match takes one revision, as ETag gave it: "17".');
  }
  return { kind: 'revision', revision: Number(revision) };
}

/** Reads a body of at most `limit` bytes; more is refused as soon as it is announced or seen. */
function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const tooLarge = (): HttpError => new HttpError(413, 'TOO_LARGE', `The body exceeds ${limit} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) reject(tooLarge());
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('close', () => {
      // It closes after its end too, and an error costs more than the rest of a request.
      if (!request.complete) reject(new HttpError(400, 'ABORTED', 'The request ended early.'));
    });
  });
}
