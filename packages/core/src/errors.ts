import type { Leader } from './log/server.js';

/** The codes of Kontiki's errors. The meaning of a code stays the same across releases. */
export type ErrorCode =
  // These codes mean that a call failed or that its outcome is unknown.
  | 'KONTIKI_NOT_LEADER'
  | 'KONTIKI_TRANSFERRING'
  | 'KONTIKI_TRANSFER_FAILED'
  | 'KONTIKI_CHANGING'
  | 'KONTIKI_BAD_CHANGE'
  | 'KONTIKI_REVISION'
  | 'KONTIKI_LAGGING'
  | 'KONTIKI_NO_QUORUM'
  | 'KONTIKI_LEVEL'
  | 'KONTIKI_OVERLOADED'
  | 'KONTIKI_TOO_LARGE'
  | 'KONTIKI_DISK_FULL'
  | 'KONTIKI_REPLACED'
  | 'KONTIKI_TIMEOUT'
  | 'KONTIKI_ABORTED'
  | 'KONTIKI_UNKNOWN_OUTCOME'
  | 'KONTIKI_UNKNOWN_COMMAND'
  | 'KONTIKI_BAD_INPUT'
  | 'KONTIKI_BEHAVIOR'
  | 'KONTIKI_SESSION'
  | 'KONTIKI_RESULT_LOST'
  | 'KONTIKI_CLOSED'
  // These codes mean that a server stopped or failed to start.
  | 'KONTIKI_BAD_OPTION'
  | 'KONTIKI_FOREIGN_DATA'
  | 'KONTIKI_FORMAT'
  | 'KONTIKI_CORRUPT'
  | 'KONTIKI_LOST_DATA'
  | 'KONTIKI_CONTRADICTION'
  | 'KONTIKI_LOCKED'
  | 'KONTIKI_STORE_FAILED'
  | 'KONTIKI_MACHINE_FAILED'
  | 'KONTIKI_NOT_BLANK'
  | 'KONTIKI_MOVED'
  | 'KONTIKI_INVARIANT'
  | 'KONTIKI_UNSUPPORTED'
  | 'KONTIKI_LISTEN'
  // These codes mean that a store does not have the requested data.
  | 'KONTIKI_COMPACTED'
  | 'KONTIKI_NO_SNAPSHOT'
  // This code means that bytes from the network or a file cannot be decoded.
  | 'KONTIKI_PROTOCOL';

/**
 * The symbol that marks every Kontiki error. A program may load two copies of this package, for
 * example after a partial upgrade. `instanceof` does not recognize errors from the other copy, but
 * both copies share a symbol from the global registry.
 */
const BRAND: symbol = Symbol.for('kontiki.error');

/**
 * An error with a stable `code`, a message that explains what failed and what to do, and an
 * optional `cause`.
 */
export class KontikiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KontikiError';
    this.code = code;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /**
   * Returns the error as an object for `JSON.stringify`. Includes the message, which
   * `JSON.stringify` omits by default.
   */
  toJSON(): object {
    return Object.assign({}, this, { message: this.message });
  }
}

/** The error for a proposal to a server that is not the leader. The command was not appended. */
export class NotLeaderError extends KontikiError {
  declare readonly code: 'KONTIKI_NOT_LEADER';
  /** The current leader; undefined if this server does not know it. */
  readonly leader: Leader | undefined;

  constructor(message: string, leader: Leader | undefined) {
    super('KONTIKI_NOT_LEADER', message);
    this.name = 'NotLeaderError';
    this.leader = leader;
  }
}

/** A Kontiki error with the code `Code`. */
export type ErrorOf<Code extends ErrorCode> = Code extends 'KONTIKI_NOT_LEADER'
  ? NotLeaderError
  : KontikiError & { readonly code: Code };

/** Returns whether a caught value is a Kontiki error, from this or another copy of the package. */
export function isKontikiError(error: unknown): error is KontikiError;
/**
 * Returns whether a caught value is a Kontiki error with the given code, and narrows its type
 * accordingly.
 */
export function isKontikiError<Code extends ErrorCode>(error: unknown, code: Code): error is ErrorOf<Code>;
export function isKontikiError(error: unknown, code?: ErrorCode): boolean {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as KontikiError).code === code;
}

/**
 * Returns the error to use when a state machine throws. This error stops the server, because
 * continuing would skip or repeat an entry.
 */
export function machineFailed(doing: string, cause: unknown): KontikiError {
  // The state machine is intact, but reading the log or the snapshot requires another version of
  // it.
  if (isKontikiError(cause, 'KONTIKI_FORMAT')) return cause;
  return new KontikiError(
    'KONTIKI_MACHINE_FAILED',
    `The state machine threw while it ${doing}. The server has stopped and its log is intact: fix the state machine and start the server again.`,
    { cause },
  );
}
