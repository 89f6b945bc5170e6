import { isKontikiError, KontikiError } from '../errors.js';

/** Returns an error and its causes, outermost first. Errors may be each other's causes. */
function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && !causes.includes(at); at = at.cause) causes.push(at);
  return causes;
}

/**
 * Returns the messages of an error and its causes. Database errors often contain the reason only in
 * a cause. A thrown value that is not an error is converted to a string.
 */
export function messageOf(error: unknown): string {
  const causes = causesOf(error);
  return causes.length === 0 ? String(error) : causes.map(({ message }) => message).join(': ');
}

/** Returns whether an error or one of its causes has one of the given codes or names. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return causesOf(error).some(
    (at) => codes.includes(String((at as { code?: unknown }).code)) || codes.includes(at.name),
  );
}

/**
 * Returns whether an error means that the disk is full. File systems report this with error codes,
 * and IndexedDB with an error name. LevelDB only passes on the system's error message.
 */
export function isDiskFull(error: unknown): boolean {
  if (hasCode(error, 'ENOSPC', 'EDQUOT', 'QuotaExceededError')) return true;
  return causesOf(error).some(({ message }) => /no space left on device|disk quota exceeded/i.test(message));
}

/**
 * Returns the error that a store reports when `action`, for example "open the log in /data/a",
 * fails. A `KontikiError` is returned unchanged. An error with the code `KONTIKI_LOCKED` keeps that
 * code; any other error becomes `KONTIKI_STORE_FAILED`.
 */
export function storeFailure(action: string, error: unknown): KontikiError {
  if (isKontikiError(error)) return error;
  const reason = messageOf(error);
  if (hasCode(error, 'KONTIKI_LOCKED')) return new KontikiError('KONTIKI_LOCKED', reason, { cause: error });
  return new KontikiError(
    'KONTIKI_STORE_FAILED',
    `Cannot ${action}: ${reason}. No acknowledged data was removed. Repair the disk or the database, then start the server again.`,
    { cause: error },
  );
}

/** Returns the error for damage to durable data, which a server cannot repair by itself. */
export function corruptData(where: string, what: string, cause?: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `${where}: ${what}. The data was durable before, so acknowledged writes may be lost. Nothing was changed. Restore the data from a copy, or remove this server from the cluster and add a server with a new id.`,
    { cause },
  );
}
