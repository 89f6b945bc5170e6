import { SessionClient, type ProposeOptions, type RaftNode, type ReadOptions, type StateMachine } from '@kontiki/core';
import type { Request } from '../../workload/workload.js';
import type { Counts } from '../counts.js';
import { ignoreViolation } from '../violation.js';
import { outcomeOf, type RequestOutcome } from './outcome.js';
import type { Process } from './process.js';
import type { WatchedMachine } from './watched-machine.js';

/** Limits that are so low that sessions end, and that results are dropped. */
const SESSION_LIMITS = { ttl: 5_000, sessions: 12, resultBytes: 700 };

/** The options of a request, which may be a proposal or a read. */
export type RequestOptions = ProposeOptions & Pick<ReadOptions, 'consistency'>;

/** The parts of a server that answer requests. They are undefined while the server is down. */
interface Answerer {
  readonly process: Process | undefined;
  readonly node: RaftNode | undefined;
  readonly machine: WatchedMachine<StateMachine> | undefined;
  readonly checks: { readonly counts: Counts };
}

/** The requests that clients have sent to one server. Every request gets exactly one outcome. */
export class Requests {
  readonly #server: Answerer;
  /**
   * One function for each request that has no outcome yet. When the process dies, calling it ends
   * the request with an unknown outcome.
   */
  readonly #open = new Set<() => void>();
  /**
   * The subset of `#open` that the node itself has received. All other requests wait until the
   * process resumes, or are in a client of sessions, which may try them again.
   */
  readonly #received = new Set<() => void>();
  readonly #random: () => number;
  readonly #sessions = new WeakMap<RaftNode, SessionClient<unknown>>();

  constructor(server: Answerer, random: () => number) {
    this.#server = server;
    this.#random = random;
  }

  /** Number of requests that the node has received but not yet answered. */
  get pending(): number {
    return this.#received.size;
  }

  /** Returns the client of the sessions that a process opens for its commands. */
  #sessionsOf(node: RaftNode, clock: Process): SessionClient<unknown> {
    const known = this.#sessions.get(node);
    if (known !== undefined) return known;
    const sessions = new SessionClient({ node, clock, random: this.#random, retryMs: 300, limits: SESSION_LIMITS });
    this.#sessions.set(node, sessions);
    return sessions;
  }

  /** Ends all requests with an unknown outcome, because the process died. */
  crash(): void {
    for (const onCrash of this.#open) onCrash();
  }

  /** Sends a request to the node. Calls `onEnd` once with the outcome. */
  send(
    request: Request<StateMachine, unknown>,
    { consistency, ...options }: RequestOptions,
    onEnd: (outcome: RequestOutcome) => void,
  ): void {
    let open = true;
    const end = (outcome: RequestOutcome): void => {
      if (!open) return;
      open = false;
      this.#open.delete(onCrash);
      this.#received.delete(onCrash);
      try {
        onEnd(outcome);
      } catch (error) {
        ignoreViolation(error);
      }
    };
    const onCrash = (): void => end({ kind: 'unknown' });
    this.#open.add(onCrash);
    const { process } = this.#server;
    if (process === undefined) return end({ kind: 'refused', leader: undefined });
    process.enter(() => {
      const { node, machine } = this.#server;
      if (node === undefined || machine === undefined) return end({ kind: 'refused', leader: undefined });
      // A client of sessions may be pausing between two attempts when its node closes.
      if (request.session === undefined) this.#received.add(onCrash);
      const failed = (error: unknown): void => end(outcomeOf(error));
      const given = request.encode?.(machine.inner) ?? request.command;
      if (request.session === 'open') {
        const { timeout } = options;
        this.#sessionsOf(node, process)
          .openSession({ timeout })
          .then((answer) => end({ kind: 'opened', answer }), failed);
      } else if (given !== undefined) {
        const { session } = request;
        // Callers may reuse their memory as soon as `propose` returns.
        const command = given.slice();
        const inSession = session === true ? options : { ...options, session };
        const proposed =
          session === undefined
            ? node.propose(command, options)
            : this.#sessionsOf(node, process).propose(command, inSession);
        command.fill(0xa5);
        proposed.then(({ index, term, result }) => end({ kind: 'done', index, term, answer: result }), failed);
      } else {
        if (consistency === 'lease' && node.status().holdsLease) this.#server.checks.counts.leaseReads += 1;
        const read = (): RequestOutcome => ({
          kind: 'read',
          through: machine.through,
          answer: request.read?.(machine.inner),
        });
        node.read(read, { timeout: options.timeout, consistency }).then(end, failed);
      }
    });
  }
}
