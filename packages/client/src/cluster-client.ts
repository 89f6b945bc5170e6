import { attempt } from './attempt.js';
import { Call, pause, settledOrAborted, type CallOptions } from './call.js';
import { ClientError, CommandError, errorIn, type ResponseError } from './errors.js';
import { collect, HttpClient, type HttpClientOptions, type NodeRequest, type NodeResponse } from './http-client.js';
import { linesOf } from './lines.js';
import { SESSION_HEADER } from './session-header.js';
import { Session } from './sessions.js';

export interface ClusterOptions extends HttpClientOptions {
  /** The URLs of some or all nodes. The paths of requests are appended to them. */
  readonly urls: readonly string[];
  /** Milliseconds until a call gives up, including all retries. Default 10,000. */
  readonly timeout?: number | undefined;
  /**
   * Milliseconds to wait for one node, before the request is sent to the next one. Default 3,000,
   * which is more than the time limit of a node.
   */
  readonly attemptTimeout?: number | undefined;
  /** Maximum number of calls in progress. Default 256. */
  readonly maxCalls?: number | undefined;
}

export interface SendOptions extends CallOptions {
  /** Milliseconds to wait for one node. Default: that of the client. */
  readonly attemptTimeout?: number | undefined;
  /** Called after each attempt that was not answered, with the reason. */
  readonly onRetry?: ((reason: string) => void) | undefined;
}

export type WatchOptions = Pick<CallOptions, 'signal'>;

/** A new value, and the index of the last entry whose effects it contains. */
export interface Change<T> {
  readonly index: number;
  readonly result: T;
}

/**
 * Whether a request may be repeated: always (`read` and `open`), in its session (`command`), or only
 * if it had no effect (`once`).
 */
type Kind = 'read' | 'open' | 'command' | 'once';

interface Answer {
  readonly response: NodeResponse;
  /** Whether an earlier attempt may have had an effect. */
  readonly isRetry: boolean;
}

/** The request that opens a session. */
const OPEN: NodeRequest = { method: 'POST', path: '/sessions', headers: { 'Content-Type': 'application/json' } };
/** Maximum number of open sessions of one client. */
const MAX_SESSIONS = 16;
/** Milliseconds until the client asks again whether the cluster supports sessions. */
const RECHECK_MS = 5_000;

/**
 * Sends HTTP requests to a cluster. If a node refuses a request or does not answer, sends it to the
 * next node, until the call's deadline. Stays with a node that answers.
 */
export class ClusterClient {
  readonly #http: HttpClient;
  readonly #urls: readonly string[];
  readonly #timeout: number;
  readonly #attemptTimeout: number;
  readonly #maxCalls: number;
  readonly #calls = new Set<Call>();
  /** The position of the node that receives the next request. */
  #current = 0;
  #sessions: Session[] = [];
  #opening: Promise<void> | undefined;
  /** The time until which the cluster is assumed not to support sessions. */
  #sessionlessUntil = -Infinity;
  #isClosed = false;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
  constructor(options: ClusterOptions) {
    const { urls, token, tls, timeout = 10_000, attemptTimeout = 3_000, maxCalls = 256 } = options;
    const wrong = urls.find((url) => !URL.canParse(url) || !/^https?:\/\/[^/?#@]+[^?#]*$/.test(url));
    if (urls.length === 0 || wrong !== undefined)
      throw new ClientError(
        'KONTIKI_BAD_OPTION',
        `urls must be URLs like http://HOST:PORT, not ${JSON.stringify(wrong)}.`,
      );
    checkAboveZero({ timeout, attemptTimeout, maxCalls });
    this.#urls = urls.map((url) => url.replace(/\/$/, ''));
    this.#http = new HttpClient({ token, tls });
    this.#timeout = timeout;
    this.#attemptTimeout = attemptTimeout;
    this.#maxCalls = maxCalls;
  }

  /**
   * Sends a request that changes nothing. Resolves with the first answer, whatever its status below
   * 500. Rejects with `KONTIKI_TIMEOUT` or `KONTIKI_ABORTED`.
   */
  read(request: NodeRequest, options: SendOptions = {}): Promise<NodeResponse> {
    return this.#limited(options, async (call) => (await this.#repeat(call, 'read', options, () => request)).response);
  }

  /**
   * Sends a request for a command, which the cluster applies once, however often it is sent. Each
   * attempt has the header `Kontiki-Session` with the same session and sequence number. Resolves and
   * rejects like `read`. Rejects with `KONTIKI_UNKNOWN_OUTCOME` if the call ends after an attempt
   * that may have had an effect.
   *
   * If the cluster does not support sessions yet, the request is sent like by `send`.
   */
  write(request: NodeRequest, options: SendOptions = {}): Promise<NodeResponse> {
    return this.#limited(options, async (call) => {
      for (;;) {
        const session = await this.#session(call, options);
        const response =
          session === undefined
            ? (await this.#repeat(call, 'once', options, () => request)).response
            : await this.#sendIn(session, call, request, options);
        // If another version took effect in the meantime, the command had no effect.
        if (response !== undefined && conflictIn(response)?.code !== 'KONTIKI_BEHAVIOR') return response;
      }
    });
  }

  /** Sends a command in a session. Resolves with undefined if the session has ended before it. */
  async #sendIn(
    session: Session,
    call: Call,
    request: NodeRequest,
    options: SendOptions,
  ): Promise<NodeResponse | undefined> {
    const sequence = session.begin();
    try {
      const { response, isRetry } = await this.#repeat(call, 'command', options, () => ({
        ...request,
        headers: { ...request.headers, [SESSION_HEADER]: session.headerOf(sequence) },
      }));
      const error = conflictIn(response);
      if (error?.code !== 'KONTIKI_SESSION') return response;
      this.#sessions = this.#sessions.filter((other) => other !== session);
      if (isRetry) throw unknownOutcome(error.message);
      return undefined;
    } finally {
      session.end(sequence);
    }
  }

  /**
   * Sends a request without a session. Repeats it only while it certainly had no effect. Otherwise
   * resolves and rejects like `write`.
   */
  send(request: NodeRequest, options: SendOptions = {}): Promise<NodeResponse> {
    return this.#limited(options, async (call) => (await this.#repeat(call, 'once', options, () => request)).response);
  }

  /**
   * Yields the values of a response of `Watches`: the current value, and then each new
   * one. If a node ends the response or is silent, goes on at the next one, which must have applied
   * the entry `minIndex`. Has no deadline. Rejects with `KONTIKI_ABORTED` when the signal is aborted.
   */
  async *watch<T>(
    requestOf: (minIndex: number) => NodeRequest,
    options: WatchOptions = {},
  ): AsyncGenerator<Change<T>, void, void> {
    const call = this.#begin({ ...options, timeout: Infinity });
    let [minIndex, failures, last] = [0, 0, ''];
    try {
      while (!call.isOver) {
        const node = this.#current;
        const request = requestOf(minIndex);
        try {
          const response = await this.#http.stream(
            this.#urls[node] as string,
            request,
            this.#attemptTimeout,
            call.signal,
          );
          const { status } = response;
          if (status !== 200 && status < 500 && status !== 307)
            bodyOf({ ...response, body: await collect(response.body) });
          for await (const line of status === 200 ? linesOf(response.body) : []) {
            failures = 0;
            if (line === '') continue;
            const change = JSON.parse(line) as Change<T>;
            minIndex = change.index;
            const value = JSON.stringify(change.result);
            if (value !== last) yield change;
            last = value;
          }
        } catch (error) {
          if (error instanceof ClientError) throw error;
        }
        if (this.#current === node) this.#current = (node + 1) % this.#urls.length;
        failures += 1;
        await pause(Math.min(1_000, 50 * 1.5 ** Math.floor(failures / this.#urls.length)), call.signal);
      }
      throw call.error('no node has answered', '');
    } finally {
      call.end('closed');
      this.#finish(call);
    }
  }

  /** Ends all calls, and closes all connections. */
  close(): void {
    this.#isClosed = true;
    for (const call of this.#calls) call.end('closed');
    this.#http.close();
  }

  async #limited<T>(options: SendOptions, run: (call: Call) => Promise<T>): Promise<T> {
    const call = this.#begin(options);
    try {
      return await run(call);
    } finally {
      this.#finish(call);
    }
  }

  #begin({ timeout = this.#timeout, attemptTimeout = this.#attemptTimeout, signal }: SendOptions): Call {
    checkAboveZero({ timeout, attemptTimeout });
    if (this.#isClosed) throw new ClientError('KONTIKI_CLOSED', 'The client was closed. Nothing was sent.');
    if (this.#calls.size >= this.#maxCalls) {
      const text = `${this.#maxCalls} calls of this client are in progress. Nothing was sent. Wait for one of them.`;
      throw new ClientError('KONTIKI_OVERLOADED', text);
    }
    const call = new Call(timeout, signal);
    this.#calls.add(call);
    return call;
  }

  #finish(call: Call): void {
    this.#calls.delete(call);
    call.release();
  }

  /** Sends a request to one node after the other, until a node answers or the call ends. */
  async #repeat(call: Call, kind: Kind, options: SendOptions, requestOf: () => NodeRequest): Promise<Answer> {
    const { attemptTimeout = this.#attemptTimeout, onRetry } = options;
    const hasEffect = kind === 'command' || kind === 'once';
    let reason = 'no node has answered';
    let unknown: string | undefined;
    for (let attempts = 0; !call.isOver; attempts += 1) {
      const node = this.#current;
      const limit = Math.min(attemptTimeout, call.leftMs);
      let outcome: Awaited<ReturnType<typeof attempt>>;
      try {
        outcome = await attempt(this.#http, this.#urls[node] as string, requestOf(), limit, call.signal);
      } catch (error) {
        throw unknown === undefined ? error : unknownOutcome(unknown, error);
      }
      if (outcome.kind === 'answered') {
        const { response } = outcome;
        const error = kind === 'command' ? conflictIn(response) : undefined;
        if (error?.code !== 'KONTIKI_LEVEL') return { response, isRetry: unknown !== undefined };
        // This node does not know yet that the cluster supports sessions.
        outcome = { kind: 'refused', reason: error.message.replace(/\.$/, '') };
      }
      // Other calls may have moved on from this node already.
      if (this.#current === node) this.#current = (node + 1) % this.#urls.length;
      ({ reason } = outcome);
      if (outcome.kind === 'unknown' && hasEffect) unknown = reason;
      if (unknown !== undefined && kind === 'once') break;
      if (!call.isOver) onRetry?.(reason);
      const rounds = Math.floor(attempts / this.#urls.length);
      await pause(Math.min(1_000, 50 * 1.5 ** rounds) * (0.5 + Math.random()), call.signal);
    }
    if (unknown !== undefined) throw unknownOutcome(unknown);
    throw call.error(reason, kind === 'read' ? '' : ' Nothing was written.');
  }

  /** Returns a session with room for a command. Undefined if the cluster does not support sessions. */
  async #session(call: Call, options: SendOptions): Promise<Session | undefined> {
    let reason = 'no session could be opened';
    const onRetry = (why: string): void => {
      reason = why;
      options.onRetry?.(why);
    };
    while (!call.isOver) {
      const session = this.#sessions.find(({ hasRoom }) => hasRoom);
      if (session !== undefined) return session;
      if (performance.now() < this.#sessionlessUntil) return undefined;
      if (this.#sessions.length >= MAX_SESSIONS)
        throw new ClientError('KONTIKI_OVERLOADED', 'Too many commands have no outcome yet. Nothing was sent.');
      if (this.#opening === undefined) {
        this.#opening = this.#open(call, { ...options, onRetry }).finally(() => (this.#opening = undefined));
        await this.#opening;
      } else {
        // If the call that opens the session gives up, this call tries again.
        await settledOrAborted(this.#opening, call.signal);
      }
    }
    throw call.error(reason, ' Nothing was written.');
  }

  async #open(call: Call, options: SendOptions): Promise<void> {
    for (const _ of this.#urls) {
      // A session that is opened twice is harmless, because an unused one expires.
      const { response } = await this.#repeat(call, 'open', options, () => OPEN);
      // Nodes of earlier versions have no such path.
      if (![404, 405].includes(response.status) && errorIn(response.body)?.code !== 'KONTIKI_LEVEL') {
        this.#sessions.push(new Session(bodyOf<{ readonly session: number }>(response).session));
        return;
      }
      // This node may lag behind the other nodes.
      this.#current = (this.#current + 1) % this.#urls.length;
    }
    this.#sessionlessUntil = performance.now() + RECHECK_MS;
  }
}

/** Returns the error in a response with status 409; undefined for any other response. */
function conflictIn({ status, body }: NodeResponse): ResponseError | undefined {
  return status === 409 ? errorIn(body) : undefined;
}

function checkAboveZero(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options))
    if (!(typeof value === 'number' && value > 0))
      throw new ClientError('KONTIKI_BAD_OPTION', `${name} must be a number above 0, not ${String(value)}.`);
}

/** Returns the JSON in a response with status 200. Throws the error in any other response. */
export function bodyOf<T>({ status, body }: NodeResponse): T {
  const text = body.toString();
  if (status === 200 && /^[{[]/.test(text)) return JSON.parse(text) as T;
  const { code, message } = errorIn(body) ?? {
    code: 'KONTIKI_PROTOCOL',
    message: `The server is not a node. It answered with status ${status}: ${text.trim().slice(0, 200)}`,
  };
  throw new (status === 422 ? CommandError : ClientError)(code, message);
}

function unknownOutcome(reason: string, cause?: unknown): ClientError {
  const text = `The command may or may not have taken effect: ${reason.replace(/\.$/, '')}. Read the state before you repeat it.`;
  return new ClientError('KONTIKI_UNKNOWN_OUTCOME', text, { cause });
}
