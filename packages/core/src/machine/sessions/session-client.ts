import { isKontikiError, KontikiError } from '../../errors.js';
import { throwIfAborted, type CallOptions } from '../../node/calls/calls.js';
import type { Applied, ProposeOptions } from '../../node/calls/proposal.js';
import { unlessAborted } from '../../node/calls/limited.js';
import { drawNumber } from '../../node/start/count-start.js';
import type { Clock } from '../../ports/clock.js';
import { defaultSessionLimits, encodeOpen, writeCallHead, type SessionLimits } from './record.js';
import { isRefused, type Refused } from './session-machine.js';
import { MAX_UNSETTLED } from './session-table.js';

/** Maximum number of sessions of one client. One session has room for 1,024 commands at a time. */
const MAX_SESSIONS = 16;

/** The parts of a node that a client of sessions uses. */
interface Proposer<Result> {
  propose(data: Uint8Array, options: ProposeOptions): Promise<Applied<Result | Refused>>;
}

export interface SessionClientOptions<Result> {
  readonly node: Proposer<Result>;
  readonly clock: Pick<Clock, 'now'>;
  /** Returns uniformly distributed numbers in [0, 1). */
  readonly random: () => number;
  /** Milliseconds until the first retry of a command without an outcome. Later ones wait longer. */
  readonly retryMs: number;
  /** The default deadline of a call in milliseconds. */
  readonly timeout: number;
  readonly limits?: SessionLimits | undefined;
}

/** An open session, and its commands that have no outcome yet. */
interface Session {
  readonly id: number;
  /** The sequence number of the newest command. */
  sequence: number;
  /** The sequence numbers of commands without an outcome, in ascending order. */
  readonly open: Set<number>;
}

/**
 * Proposes commands exactly once (thesis §6.3). A command without an outcome is proposed again with
 * the same session and sequence number until its deadline, through elections, transfers and lost
 * messages. Several commands may be in flight, and no order between them is promised.
 *
 * If the session has ended, a command with one attempt was not applied, and continues under a new
 * session. A command with an earlier attempt of unknown outcome rejects with
 * `KONTIKI_UNKNOWN_OUTCOME`.
 */
export class SessionClient<Result> {
  readonly #options: SessionClientOptions<Result>;
  #sessions: Session[] = [];
  #opening: Promise<Session> | undefined;

  constructor(options: SessionClientOptions<Result>) {
    this.#options = options;
  }

  /**
   * Proposes a command, which follows `CALL_HEAD` free bytes in `record`. Resolves and rejects like
   * `RaftNode.propose`, except as described above.
   */
  async propose(record: Uint8Array, options: ProposeOptions = {}): Promise<Applied<Result>> {
    const { node, clock, retryMs } = this.#options;
    const deadline = clock.now() + (options.timeout ?? this.#options.timeout);
    for (;;) {
      const session = this.#withRoom() ?? (await this.#opened(deadline, options));
      const sequence = (session.sequence += 1);
      session.open.add(sequence);
      let unknown: KontikiError | undefined;
      try {
        for (let patience = retryMs; ; patience *= 2) {
          writeCallHead(record, session.id, sequence, settledOf(session));
          const timeout = Math.max(1, Math.min(patience, deadline - clock.now()));
          try {
            const applied = await node.propose(record, { ...options, timeout });
            if (!isRefused(applied.result)) return applied as Applied<Result>;
            if (!isKontikiError(applied.result.error, 'KONTIKI_SESSION')) throw applied.result.error;
            this.#sessions = this.#sessions.filter((other) => other !== session);
            if (unknown !== undefined) throw applied.result.error;
            break;
          } catch (error) {
            if (isKontikiError(error, 'KONTIKI_UNKNOWN_OUTCOME')) unknown = error;
            if (isWorthRetrying(error) && !this.#hasEnded(deadline, options)) continue;
            throw unknown === undefined || error === unknown ? error : unknownOutcome(unknown, error);
          }
        }
      } finally {
        session.open.delete(sequence);
      }
    }
  }

  /** Returns an open session that has room for a command; undefined if there is none. */
  #withRoom(): Session | undefined {
    return this.#sessions.find((session) => session.sequence - settledOf(session) < MAX_UNSETTLED);
  }

  /** Opens a session, and resolves with a session that has room for a command. */
  async #opened(deadline: number, options: CallOptions): Promise<Session> {
    for (;;) {
      const session = this.#withRoom();
      if (session !== undefined) return session;
      if (this.#sessions.length >= MAX_SESSIONS) throw overloaded();
      if (this.#opening === undefined) {
        this.#opening = this.#open(deadline, options).finally(() => (this.#opening = undefined));
        await this.#opening.catch((error: unknown) => {
          if (!isWorthRetrying(error) || this.#hasEnded(deadline, options)) throw error;
        });
      } else {
        // If the call that opens the session gives up, this call tries again.
        const opened = this.#opening.then(ignore, ignore);
        await (options.signal === undefined ? opened : unlessAborted(opened, options.signal).catch(ignore));
        throwIfAborted(options.signal);
        if (this.#hasEnded(deadline, options)) throw timedOut();
      }
    }
  }

  #hasEnded(deadline: number, { signal }: CallOptions): boolean {
    return this.#options.clock.now() >= deadline || signal?.aborted === true;
  }

  async #open(deadline: number, options: ProposeOptions): Promise<Session> {
    const { node, clock, random, retryMs, limits = defaultSessionLimits } = this.#options;
    const timeout = Math.max(1, Math.min(2 * retryMs, deadline - clock.now()));
    const id = drawNumber(random);
    // If the outcome is unknown, another number is drawn. An unused session expires.
    const { result } = await node.propose(encodeOpen({ session: id, limits }), { ...options, timeout });
    if (isRefused(result)) throw result.error;
    const session: Session = { id, sequence: 0, open: new Set() };
    this.#sessions.push(session);
    return session;
  }
}

/** Returns whether a later attempt may succeed, although nothing has changed. */
function isWorthRetrying(error: unknown): boolean {
  const codes = ['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_TIMEOUT', 'KONTIKI_REPLACED'] as const;
  return codes.some((code) => isKontikiError(error, code));
}

/** Returns the sequence number up to which a client does not retry commands. */
function settledOf({ sequence, open }: Session): number {
  for (const first of open) return first - 1;
  return sequence;
}

function unknownOutcome(before: KontikiError, cause: unknown): KontikiError {
  return new KontikiError('KONTIKI_UNKNOWN_OUTCOME', before.message, { cause });
}

function ignore(): void {}

function timedOut(): KontikiError {
  return new KontikiError('KONTIKI_TIMEOUT', 'No session could be opened before the deadline. Nothing was proposed.');
}

function overloaded(): KontikiError {
  const text = `More than ${MAX_SESSIONS * MAX_UNSETTLED} commands of this process have no outcome yet.`;
  return new KontikiError('KONTIKI_OVERLOADED', `${text} Nothing was proposed. Try again later.`);
}
