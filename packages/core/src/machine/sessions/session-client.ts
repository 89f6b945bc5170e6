import { isKontikiError, KontikiError } from '../../errors.js';
import { STAMPED_LEVEL } from '../../log/log-clock.js';
import { throwIfAborted, type CallOptions } from '../../node/calls/calls.js';
import { refuseOptions, unlessAborted } from '../../node/calls/limited.js';
import { proposeOptions, type Applied, type ProposeOptions } from '../../node/calls/proposal.js';
import { badOption, DEFAULT_TIMEOUT, isDuration, refuseNames, type Names } from '../../node/options.js';
import { describe } from '../../node/describe.js';
import { drawNumber } from '../../node/start/count-start.js';
import { SystemClock } from '../../node/system-clock.js';
import type { Clock } from '../../ports/clock.js';
import { defaultTimings } from '../../protocol/settings.js';
import {
  CALL_HEAD,
  defaultSessionLimits,
  encodeOpen,
  plainRecord,
  writeCallHead,
  type CallRecord,
  type SessionLimits,
} from './record.js';
import { isRefused, type Refused } from './session-machine.js';
import { MAX_UNSETTLED } from './session-table.js';

/** Maximum number of sessions of one client. One session has room for 1,024 commands at a time. */
const MAX_SESSIONS = 16;

/** The parts of a node that a client of sessions uses. */
interface Proposer<Result> {
  readonly level: number;
  propose(data: Uint8Array, options: ProposeOptions): Promise<Applied<Result | Refused>>;
}

export interface SessionClientOptions<Result> {
  /** A `RaftNode` whose state machine is a `SessionMachine`. */
  readonly node: Proposer<Result>;
  /**
   * Milliseconds until the first retry of a command without an outcome. Each later retry waits twice
   * as long. Default 1,000, which is twice the default election timeout.
   */
  readonly retryMs?: number | undefined;
  /** The default deadline of a call in milliseconds. Default 10,000. */
  readonly timeout?: number | undefined;
  /** The limits of the sessions that this client opens. They are part of the log. */
  readonly limits?: Partial<SessionLimits> | undefined;
  /** Measures deadlines and pauses. Default: the clock of this machine. */
  readonly clock?: Pick<Clock, 'now' | 'timer'> | undefined;
  /** Returns uniformly distributed numbers in [0, 1). Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const clientOptions: Names<SessionClientOptions<unknown>> = {
  node: true,
  retryMs: true,
  timeout: true,
  limits: true,
  clock: true,
  random: true,
};

/** Returns an error if a number among the options is invalid; undefined otherwise. */
function refuseNumbers({ retryMs, timeout, limits }: SessionClientOptions<unknown>): KontikiError | undefined {
  const { ttl, sessions, resultBytes, ...more } = { ...defaultSessionLimits, ...limits };
  const unknown = refuseNames('limits', more, {});
  if (unknown !== undefined) return unknown;
  for (const [name, value] of Object.entries({ retryMs, timeout }))
    if (value !== undefined && !isDuration(value))
      return badOption(`${name} must be a finite number of milliseconds above 0, not ${describe(value)}.`);
  for (const [name, value] of Object.entries({ ttl, sessions, resultBytes }))
    if (!(Number.isSafeInteger(value) && value > 0))
      return badOption(`${name} must be an integer above 0, not ${describe(value)}.`);
  return undefined;
}

/** The place of a command in the session of a client outside this process. */
export type SessionCall = Pick<CallRecord, 'session' | 'sequence' | 'settled'>;

/** Options for a command that is proposed in a session. */
export interface SessionOptions extends ProposeOptions {
  /**
   * False to propose the command without a session. Its outcome may then be unknown, as with
   * `RaftNode.propose`. An object to propose it once, in the session of a client outside this
   * process. Default: a session of this process.
   */
  readonly session?: false | SessionCall | undefined;
}

const sessionOptions: Names<SessionOptions> = { ...proposeOptions, session: true };
const noOptions: SessionOptions = {};

/** The longest wait for the outcome of one attempt, as a multiple of the first one. */
const MAX_PATIENCE = 16;

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
  readonly #node: Proposer<Result>;
  readonly #retryMs: number;
  readonly #timeout: number;
  readonly #limits: SessionLimits;
  readonly #clock: Pick<Clock, 'now' | 'timer'>;
  readonly #random: () => number;
  #sessions: Session[] = [];
  #opening: Promise<void> | undefined;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
  constructor(options: SessionClientOptions<Result>) {
    const refused = refuseNames('options', options, clientOptions) ?? refuseNumbers(options);
    if (refused !== undefined) throw refused;
    this.#node = options.node;
    this.#retryMs = options.retryMs ?? 2 * defaultTimings.election;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#limits = { ...defaultSessionLimits, ...options.limits };
    this.#clock = options.clock ?? new SystemClock();
    this.#random = options.random ?? Math.random;
  }

  /**
   * Proposes a command. Resolves and rejects like `RaftNode.propose`, except as described above.
   * Rejects with `KONTIKI_SESSION` if `options.session` has ended, and with `KONTIKI_RESULT_LOST` if
   * a retry finds that the command was applied, but its result was too large to keep.
   *
   * Without a session, the command is proposed like by `RaftNode.propose`. This is also the case
   * while this server knows a feature level below 2, because some servers cannot read sessions. With
   * `options.session`, the command is then refused with `KONTIKI_LEVEL`: another server knows that
   * session, and may have applied the command already.
   */
  propose(command: Uint8Array, options?: SessionOptions): Promise<Applied<Result>> {
    if (!(command instanceof Uint8Array)) return Promise.reject(badOption('A command must be a Uint8Array.'));
    try {
      const record = new Uint8Array(CALL_HEAD + command.length);
      record.set(command, CALL_HEAD);
      return this.proposeRecord(record, options);
    } catch {
      return Promise.reject(
        badOption('The memory of this command was transferred. Propose a command before you transfer it.'),
      );
    }
  }

  /**
   * Proposes a command like `propose`, without a copy. For `TypedNode`: the command follows
   * `CALL_HEAD` free bytes in `record`, which are overwritten.
   */
  proposeRecord(record: Uint8Array, given: SessionOptions = noOptions): Promise<Applied<Result>> {
    const refused =
      given === noOptions ? undefined : (refuseOptions(given, sessionOptions) ?? refuseCall(given.session));
    if (refused !== undefined) return Promise.reject(refused);
    const { session, ...options } = given;
    if (this.#node.level < STAMPED_LEVEL) {
      // Without the session, a retry on another server would be applied again.
      if (typeof session === 'object') return Promise.reject(levelTooLow());
      // If the level rises meanwhile, the servers would mistake such a command for a session record.
      if (plainRecord(record).length > record.length - CALL_HEAD) return Promise.reject(levelTooLow());
      return this.#node.propose(record.subarray(CALL_HEAD), options).then(accepted);
    }
    if (session === false) return this.#node.propose(plainRecord(record), options).then(accepted);
    if (session === undefined) return this.#propose(record, options);
    writeCallHead(record, session.session, session.sequence, session.settled);
    return this.#node.propose(record, options).then(accepted);
  }

  /**
   * Opens a session for a client outside this process. Resolves with the number of the session, for
   * the option `session` of `propose`. The client numbers its commands from 1 on, and repeats a
   * command with the same number, on any server, until it has an outcome. An unused session ends
   * after ten minutes, or as `limits` say. Rejects like `RaftNode.propose`, and with `KONTIKI_LEVEL`
   * if the cluster's feature level is below 2.
   */
  async openSession(options: ProposeOptions = {}): Promise<number> {
    if (this.#node.level < STAMPED_LEVEL) throw levelTooLow();
    // If the outcome is unknown, the caller draws another number. An unused session expires.
    const session = drawNumber(this.#random);
    await this.#node.propose(encodeOpen({ session, limits: this.#limits }), options).then(accepted);
    return session;
  }

  async #propose(record: Uint8Array, options: ProposeOptions): Promise<Applied<Result>> {
    const [node, clock] = [this.#node, this.#clock];
    const deadline = clock.now() + (options.timeout ?? this.#timeout);
    for (let attempts = 0; ; attempts += 1) {
      if (attempts > 0) throwIfAborted(options.signal);
      if (attempts > 0 && clock.now() >= deadline) throw timedOut();
      const session = this.#withRoom();
      if (session === undefined) {
        await this.#makeRoom(deadline, options);
        continue;
      }
      const sequence = (session.sequence += 1);
      session.open.add(sequence);
      let unknown: KontikiError | undefined;
      try {
        for (let patience = this.#retryMs; ; patience = Math.min(2 * patience, MAX_PATIENCE * this.#retryMs)) {
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
            const canContinue = !this.#hasEnded(deadline, options);
            if (isWorthRetrying(error) && canContinue) continue;
            // An earlier attempt may still be applied, so its outcome is worth waiting for.
            if (unknown !== undefined && isPassing(error) && canContinue) {
              await this.#wait(Math.min(this.#retryMs / 4, deadline - clock.now()));
              continue;
            }
            const isCertain = unknown === undefined || isKontikiError(error, 'KONTIKI_RESULT_LOST');
            throw isCertain || error === unknown ? error : unknownOutcome(unknown as KontikiError, error);
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

  /** Opens a session, or waits until another call has tried to open one. */
  async #makeRoom(deadline: number, options: ProposeOptions): Promise<void> {
    if (this.#sessions.length >= MAX_SESSIONS) throw overloaded();
    if (this.#opening === undefined) {
      this.#opening = this.#open(deadline, options).finally(() => (this.#opening = undefined));
      return this.#opening.catch((error: unknown) => {
        throwIfAborted(options.signal);
        if (!isWorthRetrying(error)) throw error;
      });
    }
    // If the call that opens the session gives up, this call tries again.
    const opened = this.#opening.then(ignore, ignore);
    const waited = this.#wait(deadline - this.#clock.now(), opened);
    await (options.signal === undefined ? waited : unlessAborted(waited, options.signal).catch(ignore));
    throwIfAborted(options.signal);
  }

  /** Resolves after a time, or when `earlier` does. */
  #wait(milliseconds: number, earlier?: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.close();
        resolve();
      };
      const timer = this.#clock.timer(end);
      timer.set(this.#clock.now() + milliseconds);
      void earlier?.then(end);
    });
  }

  #hasEnded(deadline: number, { signal }: CallOptions): boolean {
    return this.#clock.now() >= deadline || signal?.aborted === true;
  }

  async #open(deadline: number, options: ProposeOptions): Promise<void> {
    const timeout = Math.max(1, Math.min(2 * this.#retryMs, deadline - this.#clock.now()));
    this.#sessions.push({ id: await this.openSession({ ...options, timeout }), sequence: 0, open: new Set() });
  }
}

/** Returns an applied command, or throws the error of a refused session record. */
function accepted<Result>(applied: Applied<Result | Refused>): Applied<Result> {
  if (isRefused(applied.result)) throw applied.result.error;
  return applied as Applied<Result>;
}

/** Returns an error if the option `session` is invalid; undefined otherwise. */
function refuseCall(given: unknown): KontikiError | undefined {
  if (given === undefined || given === false) return undefined;
  const { session, sequence, settled } = (given ?? {}) as { readonly [Field in keyof SessionCall]?: unknown };
  const isNumber = (number: unknown): number is number => Number.isSafeInteger(number) && (number as number) >= 0;
  if (isNumber(session) && isNumber(sequence) && isNumber(settled) && settled < sequence) return undefined;
  return badOption('session must be false, or an object with session, sequence and a lower settled, all integers.');
}

/** Returns whether a later attempt may succeed, although nothing has changed. */
function isWorthRetrying(error: unknown): boolean {
  const codes = ['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_TIMEOUT', 'KONTIKI_REPLACED'] as const;
  return codes.some((code) => isKontikiError(error, code));
}

/** Returns whether a refusal may end soon without any action of the caller. */
function isPassing(error: unknown): boolean {
  const codes = ['KONTIKI_OVERLOADED', 'KONTIKI_TRANSFERRING', 'KONTIKI_NOT_LEADER', 'KONTIKI_DISK_FULL'] as const;
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

function levelTooLow(): KontikiError {
  const text = 'Sessions need feature level 2. Upgrade every server, then raise the level.';
  return new KontikiError('KONTIKI_LEVEL', text);
}

function ignore(): void {}

function timedOut(): KontikiError {
  return new KontikiError('KONTIKI_TIMEOUT', 'No session could be opened before the deadline. Nothing was proposed.');
}

function overloaded(): KontikiError {
  const text = `More than ${MAX_SESSIONS * MAX_UNSETTLED} commands of this process have no outcome yet.`;
  return new KontikiError('KONTIKI_OVERLOADED', `${text} Nothing was proposed. Try again later.`);
}
