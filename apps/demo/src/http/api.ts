import type { IncomingMessage, ServerResponse } from 'node:http';
import { disconnectSignal, sessionOf, Watches, type Change } from '@kontiki/client/server';
import {
  NotLeaderError,
  SessionClient,
  type AppliedPosition,
  type Logger,
  type Position,
  type RaftNode,
  type Refused,
} from '@kontiki/core';
import { ThrottledLogger } from '@kontiki/peers';
import { encodeCommand, type Condition, type KvCommand } from '../kv/command.js';
import type { Item } from '../kv/items.js';
import type { KvMachine, KvResult } from '../kv/machine.js';
import { isTtl, MAX_KEY, MAX_VALUE } from '../kv/write.js';
import { Access } from './access.js';
import { readBody } from './body.js';
import { MembersApi } from './members-api.js';
import { HttpError, isExplained, sendFailure, sendJson } from './responses.js';
import { sendResult } from './results.js';
import type { SnapshotApi } from './snapshot-api.js';
import { invalidTtl, MAX_TRANSACTION_BODY, parseTransaction } from './transaction-body.js';

/** Maximum number of keys in one listing. */
const MAX_LIST = 1_000;

/**
 * Milliseconds after which a node refuses a request that waits for a leader. Clients wait longer, so
 * they still have time to ask another node.
 */
const TIMEOUT = 2_500;

/** Maximum number of watches in progress. */
const MAX_WATCHES = 256;

/** The target of a request, parsed from its URL. */
interface Target {
  /** The part of the URL after the host. It is used for redirects. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The key in `/kv/KEY`, or undefined for `/kv`. */
  readonly key: string | undefined;
}

export interface KvApiOptions {
  /** A node whose state machine is a `SessionMachine` of `machine`. */
  readonly node: RaftNode<KvResult | Refused>;
  readonly machine: KvMachine;
  readonly snapshots: SnapshotApi;
  readonly logger: Logger;
  /** The tokens that clients need. By default, the node serves every client. */
  readonly access?: Access;
  /** Whether a follower redirects clients to the leader. By default, every node serves them. */
  readonly redirects?: boolean;
  /** Milliseconds until the first retry of a write whose outcome is unknown. */
  readonly retryMs?: number | undefined;
}

/** The HTTP interface of one node. */
export class KvApi {
  readonly #node: RaftNode<KvResult | Refused>;
  readonly #sessions: SessionClient<KvResult>;
  readonly #machine: KvMachine;
  readonly #snapshots: SnapshotApi;
  readonly #members: MembersApi;
  readonly #logger: ThrottledLogger;
  readonly #access: Access;
  readonly #redirects: boolean;
  readonly #watches: Watches;

  constructor({ node, machine, snapshots, logger, access = new Access(), redirects = false, retryMs }: KvApiOptions) {
    this.#node = node;
    this.#sessions = new SessionClient({ node, retryMs });
    this.#watches = new Watches(node, MAX_WATCHES);
    this.#machine = machine;
    this.#snapshots = snapshots;
    this.#members = new MembersApi(node, !redirects);
    this.#logger = new ThrottledLogger(logger);
    this.#access = access;
    this.#redirects = redirects;
  }

  /** Answers an HTTP request. */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    this.#handle(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return;
      if (!isExplained(error)) this.#logger.log('error', 'request', 'a request failed', { error });
      sendFailure(response, request.url ?? '/', error);
    });
  };

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const mark = path.indexOf('?');
    const route = mark < 0 ? path : path.slice(0, mark);
    if (route !== '/health') this.#access.check(request, route === '/snapshot' || route === '/members');
    const query = new URLSearchParams(mark < 0 ? '' : path.slice(mark));
    if (route.startsWith('/kv/')) return this.#key(request, response, { path, query, key: keyOf(route.slice(4)) });
    if (route === '/snapshot') return this.#snapshots.handle(request, response);
    if (route === '/members') return this.#members.handle(request, response);
    if (route === '/sessions') return this.#openSession(request, response);
    if (route === '/kv' && request.method === 'POST') {
      checkQuery(query, []);
      return this.#transact(request, response);
    }
    if (request.method !== 'GET') {
      const methods = route === '/kv' ? 'GET and POST' : 'GET';
      throw new HttpError(405, 'METHOD', `${route} supports only ${methods}.`);
    }
    if (route === '/kv') return this.#list(response, { path, query, key: undefined });
    if (route === '/status') return sendJson(response, 200, this.#status());
    if (route === '/health') return this.#health(response);
    throw new HttpError(
      404,
      'ROUTE',
      'There is no such path. Paths: /kv/KEY, /kv, /sessions, /status, /health, /snapshot and /members.',
    );
  }

  async #key(request: IncomingMessage, response: ServerResponse, target: Target): Promise<void> {
    const key = target.key as string;
    if (request.method === 'GET' && target.query.has('watch')) return this.#watch(response, target);
    if (request.method === 'GET' || request.method === 'HEAD') return this.#get(response, target);
    if (request.method !== 'PUT' && request.method !== 'DELETE') {
      throw new HttpError(405, 'METHOD', '/kv/KEY supports GET, PUT and DELETE.');
    }
    checkQuery(target.query, request.method === 'PUT' ? ['ttl'] : []);
    const condition = conditionOf(request);
    const ttl = ttlOf(target.query);
    const body = await readBody(request, request.method === 'PUT' ? MAX_VALUE : 0);
    const write = request.method === 'PUT' ? { kind: 'put' as const, value: body, ttl } : { kind: 'delete' as const };
    return this.#propose(request, response, { ...write, key, condition });
  }

  async #transact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (conditionOf(request).kind !== 'always')
      throw new HttpError(400, 'CONDITION', 'A transaction compares revisions in compare, not in a header.');
    return this.#propose(request, response, parseTransaction(await readBody(request, MAX_TRANSACTION_BODY)));
  }

  async #propose(request: IncomingMessage, response: ServerResponse, command: KvCommand): Promise<void> {
    const session = sessionOf(request);
    const limits = this.#limits(response);
    const { result } = await this.#sessions.propose(encodeCommand(command), { ...limits, session });
    sendResult(response, command, result);
  }

  async #openSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new HttpError(405, 'METHOD', '/sessions supports only POST.');
    sendJson(response, 200, { session: await this.#sessions.openSession(this.#limits(response)) });
  }

  #limits(response: ServerResponse): { forward: boolean; timeout: number; signal: AbortSignal } {
    return { forward: !this.#redirects, timeout: TIMEOUT, signal: disconnectSignal(response) };
  }

  async #get(response: ServerResponse, target: Target): Promise<void> {
    const { item, ttl } = await this.#read(target, ({ time }) => {
      const held = this.#machine.get(target.key as string);
      return { item: held, ttl: ttlAt(time, held) };
    });
    if (item === undefined) throw new HttpError(404, 'ABSENT', 'There is no such key.');
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': item.value.length,
      ETag: `"${item.revision}"`,
      ...(ttl === undefined ? {} : { 'Kontiki-TTL': ttl }),
    });
    response.end(item.value);
  }

  /** Sends the value of a key, and each new value. See `Watches` for the format. */
  async #watch(response: ServerResponse, { key, query }: Target): Promise<void> {
    const minIndex = Number(query.get('minIndex') ?? 0);
    const read = ({ index }: Position): Change => {
      const item = this.#machine.get(key as string);
      const value = item && { revision: item.revision, value: Buffer.from(item.value).toString('base64') };
      return { index, json: JSON.stringify(value ?? null) };
    };
    await this.#watches.send(response, (isFirst) =>
      this.#node.read(read, isFirst ? { minIndex, timeout: TIMEOUT } : { consistency: 'local' }),
    );
  }

  async #list(response: ServerResponse, target: Target): Promise<void> {
    const listed = await this.#read(target, ({ time }) => {
      return this.#machine.list(target.query.get('prefix') ?? '', MAX_LIST + 1).map(([key, item]) => {
        return { key, revision: item.revision, bytes: item.value.length, ttl: ttlAt(time, item) };
      });
    });
    sendJson(response, 200, { keys: listed.slice(0, MAX_LIST), more: listed.length > MAX_LIST });
  }

  /**
   * Serves reads. A linearizable read costs a follower an extra round trip to the leader, whereas a
   * redirected client sends its next requests to the leader.
   */
  #read<T>({ query }: Target, read: (at: AppliedPosition) => T): Promise<T> {
    const consistency = query.get('consistency') ?? 'linearizable';
    if (consistency === 'local') return this.#node.read(read, { consistency, timeout: TIMEOUT });
    if (consistency !== 'linearizable')
      throw new HttpError(400, 'CONSISTENCY', 'consistency must be linearizable or local.');
    if (this.#redirects && !this.#node.isLeader)
      throw new NotLeaderError('This node is not the leader, and the leader is unknown. Try again.', this.#node.leader);
    return this.#node.read(read, { timeout: TIMEOUT });
  }

  #status(): unknown {
    const { leader, membership, level: reads, ...status } = this.#node.status();
    const members = membership && Object.fromEntries([...membership.servers].map(([id, info]) => [id, info.metadata]));
    return {
      pid: process.pid,
      ...status,
      leader: leader?.id ?? null,
      // The cluster's feature level, and the highest feature level that this node can read.
      level: membership?.level ?? null,
      reads,
      members,
      keys: this.#machine.size,
      snapshot: this.#snapshots.newest,
    };
  }

  #health(response: ServerResponse): void {
    const { role, leader, membership } = this.#node.status();
    const healthy = leader !== undefined && role !== 'failed' && role !== 'closed';
    const founded = membership?.founded === true;
    sendJson(response, healthy ? 200 : 503, { healthy, role, leader: leader?.id ?? null, founded });
  }
}

/** Refuses parameters that a write does not have. A misspelled ttl would make a key permanent. */
function checkQuery(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name))
      throw new HttpError(400, 'QUERY', `Nothing was written. There is no parameter ${JSON.stringify(name)} here.`);
    if (query.getAll(name).length > 1)
      throw new HttpError(400, 'QUERY', `Nothing was written. The parameter ${name} may occur only once.`);
  }
}

function keyOf(encoded: string): string {
  let key: string;
  try {
    key = decodeURIComponent(encoded);
  } catch {
    throw new HttpError(400, 'KEY', 'The key must be percent-encoded UTF-8.');
  }
  if (key === '' || Buffer.byteLength(key) > MAX_KEY)
    throw new HttpError(400, 'KEY', `A key must have 1 to ${MAX_KEY} bytes.`);
  return key;
}

function conditionOf({ headers }: IncomingMessage): Condition {
  const match = headers['if-match'];
  if (headers['if-none-match'] !== undefined) {
    if (headers['if-none-match'] === '*' && match === undefined) return { kind: 'absent' };
    throw new HttpError(400, 'CONDITION', 'If-None-Match must be *, and cannot be combined with If-Match.');
  }
  if (match === undefined) return { kind: 'always' };
  const revision = /^"([1-9][0-9]{0,15})"$/.exec(match)?.[1];
  if (revision === undefined || !Number.isSafeInteger(Number(revision))) {
    throw new HttpError(400, 'CONDITION', 'If-Match must be one revision as in an ETag, for example "17".');
  }
  return { kind: 'revision', revision: Number(revision) };
}

function ttlOf(query: URLSearchParams): number | undefined {
  const text = query.get('ttl');
  if (text === null) return undefined;
  const ttl = /^[0-9]+$/.test(text) ? Number(text) : undefined;
  if (!isTtl(ttl)) throw invalidTtl('ttl');
  return ttl;
}

/**
 * Returns the remaining time to live of an item in milliseconds. Undefined if the item does not
 * exist or is permanent.
 */
function ttlAt(time: number, item: Item | undefined): number | undefined {
  return item?.expiry === undefined ? undefined : item.expiry - time;
}
