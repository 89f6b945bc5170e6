/** Every code an error of Kontiki can carry. They are stable: a code keeps its meaning across releases. */
export type ErrorCode =
  // A call that ended without being carried out, or whose end is not known.
  | 'KONTIKI_NOT_LEADER'
  | 'KONTIKI_OVERLOADED'
  | 'KONTIKI_TOO_LARGE'
  | 'KONTIKI_DISK_FULL'
  | 'KONTIKI_REPLACED'
  | 'KONTIKI_TIMEOUT'
  | 'KONTIKI_ABORTED'
  | 'KONTIKI_UNKNOWN_OUTCOME'
  | 'KONTIKI_CLOSED'
  // What stops a server, or keeps it from starting.
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
  // What a store answers.
  | 'KONTIKI_COMPACTED'
  | 'KONTIKI_NO_SNAPSHOT'
  // What came over the network or from a file and cannot be read.
  | 'KONTIKI_PROTOCOL';

/** An error with a stable `code`, a message that says what was wrong and what to do, and the `cause` where there is one. */
export class KontikiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KontikiError';
    this.code = code;
  }
}

/** Whether something caught is a Kontiki error, of this code if one is named. */
export function isKontikiError(error: unknown, code?: ErrorCode): error is KontikiError {
  return error instanceof KontikiError && (code === undefined || error.code === code);
}
