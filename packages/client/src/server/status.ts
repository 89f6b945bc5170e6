import type { ErrorCode } from '@kontiki/core';

/**
 * The HTTP status for each error that a client may receive. The client relies on two of them: after
 * 503, nothing was written, and after 504, the outcome is unknown.
 */
const STATUS: Partial<Record<ErrorCode, number>> = {
  KONTIKI_BAD_INPUT: 400,
  KONTIKI_BAD_OPTION: 400,
  KONTIKI_UNKNOWN_COMMAND: 404,
  KONTIKI_NO_SNAPSHOT: 404,
  KONTIKI_BAD_CHANGE: 409,
  KONTIKI_BEHAVIOR: 409,
  KONTIKI_LAGGING: 409,
  KONTIKI_LEVEL: 409,
  KONTIKI_NO_QUORUM: 409,
  KONTIKI_RESULT_LOST: 409,
  KONTIKI_REVISION: 409,
  KONTIKI_SESSION: 409,
  KONTIKI_TOO_LARGE: 413,
  KONTIKI_CHANGING: 503,
  KONTIKI_CLOSED: 503,
  KONTIKI_DISK_FULL: 503,
  KONTIKI_NOT_LEADER: 503,
  KONTIKI_OVERLOADED: 503,
  KONTIKI_REPLACED: 503,
  KONTIKI_TIMEOUT: 503,
  KONTIKI_TRANSFERRING: 503,
  KONTIKI_TRANSFER_FAILED: 503,
  KONTIKI_UNKNOWN_OUTCOME: 504,
};

/**
 * Returns the HTTP status for the code of an error. Undefined if the error is a failure of the node,
 * which only its log explains.
 */
export function statusOf(code: ErrorCode): number | undefined {
  return STATUS[code];
}
