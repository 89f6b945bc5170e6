import type { Leader } from './log/server.js';

/**
 * Every code that a Kontiki error can carry. Codes are stable: a code keeps its meaning across
 * releases.
 */
export type ErrorCode =
  // A call was not carried out, or its outcome is unknown.
  | 'KONTIKI_NOT_LEADER'
  | 'KONTIKI_OVERLOADED'
  | 'KONTIKI_TOO_LARGE'
  | 'KONTIKI_DISK_FULL'
  | 'KONTIKI_REPLACED'
  | 'KONTIKI_TIMEOUT'
  | 'KONTIKI_ABORTED'
  | 'KONTIKI_UNKNOWN_OUTCOME'
  | 'KONTIKI_CLOSED'
  // A server stopped or did not start.
  | 'KONTIKI_BAD_OPTION'
  | 'KONTIKI_FOREIGN_DATA'
  | 'KONTIKI_FORMAT'
  | 'KONTIKI_CORRUPT'
  | 'KONTIKI_LOST_DATA'
  | 'KONTIKI_LOCKED'
  | 'KONTIKI_STORE_FAILED'
  | 'KONTIKI_MACHINE_FAILED'
  | 'KONTIKI_NOT_BLANK'
  | 'KONTIKI_MOVED'
  | 'KONTIKI_INVARIANT'
  | 'KONTIKI_UNSUPPORTED'
  | 'KONTIKI_LISTEN'
  // A store does not hold what was read.
  | 'KONTIKI_COMPACTED'
  | 'KONTIKI_NO_SNAPSHOT'
  // Bytes from the network or a file cannot be read.
  | 'KONTIKI_PROTOCOL';

/**
 * Marks Kontiki's errors. A program may hold two copies of this package, after a partial upgrade
 * for example, and `instanceof` does not recognize the errors of the other copy. A registered
 * symbol does.
 */
const BRAND: symbol = Symbol.for('kontiki.error');

/**
 * An error with a stable `code`, a message that says what failed and what to do, and a `cause` if
 * there is one.
 */
export class KontikiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KontikiError';
    this.code = code;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Rejects a proposal on a server that does not lead: the command was not appended. */
export class NotLeaderError extends KontikiError {
  declare readonly code: 'KONTIKI_NOT_LEADER';
  /** The current leader, if this server knows one. */
  readonly leader: Leader | undefined;

  constructor(message: string, leader: Leader | undefined) {
    super('KONTIKI_NOT_LEADER', message);
    this.name = 'NotLeaderError';
    this.leader = leader;
  }
}

/** The error that carries `Code`. */
export type ErrorOf<Code extends ErrorCode> = Code extends 'KONTIKI_NOT_LEADER'
  ? NotLeaderError
  : KontikiError & { readonly code: Code };

/**
 * Returns whether a caught value is a Kontiki error, from this copy of the package or another one.
 */
export function isKontikiError(error: unknown): error is KontikiError;
/**
 * Returns whether a caught value is the Kontiki error of this code, and narrows its type to that
 * error's.
 */
export function isKontikiError<Code extends ErrorCode>(error: unknown, code: Code): error is ErrorOf<Code>;
export function isKontikiError(error: unknown, code?: ErrorCode): boolean {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as KontikiError).code === code;
}

/**
 * The error for a state machine that threw. It stops the server: to continue would skip or repeat
 * an entry.
 */
export function machineFailed(doing: string, cause: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_MACHINE_FAILED',
    `The state machine threw while it ${doing}. The server has stopped and its log is intact: mend the state machine and start again.`,
    { cause },
  );
}
