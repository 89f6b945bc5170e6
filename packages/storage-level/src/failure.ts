import { isKontikiError, KontikiError } from '@kontiki/core';

/** What was durable once is damaged or gone: nothing that this server could mend by itself. */
export function corrupt(where: string, what: string, cause?: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `${where}: ${what}. It was durable once, so acknowledged entries may be lost. Keep the database, restore it from a copy if there is one, or remove this server from the cluster and add a new id.`,
    { cause },
  );
}

/** An error and its causes. */
function* causes(error: unknown): Generator<Error> {
  for (let at = error; at instanceof Error; at = at.cause) yield at;
}

function has(error: unknown, ...codes: readonly unknown[]): boolean {
  return [...causes(error)].some((one) => codes.includes((one as { code?: unknown }).code) || codes.includes(one.name));
}

/** Databases have no code for it: LevelDB passes the system's words on, IndexedDB has a name. */
function isFull(error: unknown): boolean {
  if (has(error, 'ENOSPC', 'EDQUOT', 'QuotaExceededError')) return true;
  return [...causes(error)].some(({ message }) => /no space left on device|disk quota exceeded/i.test(message));
}

/** What is said of an error of the database that `what` met with. */
export function failure(what: string, error: unknown): KontikiError {
  if (isKontikiError(error)) return error;
  // A database that cannot be opened says why in the cause of its error.
  const said = [...causes(error)].map(({ message }) => message).join(': ');
  if (has(error, 'LEVEL_LOCKED')) {
    return new KontikiError(
      'KONTIKI_LOCKED',
      `${what}: another process uses the database (${said}). Stop that one, or use another database.`,
      { cause: error },
    );
  }
  if (has(error, 'LEVEL_CORRUPTION')) return corrupt(what, `the database says that it is damaged (${said})`, error);
  return new KontikiError('KONTIKI_STORE_FAILED', `${what}: the database failed (${said}). See the cause.`, {
    cause: error,
  });
}

/** The same for what is written of a snapshot, which a full disk ends and nothing else. */
export function writeFailure(what: string, error: unknown): KontikiError {
  if (isKontikiError(error) || !isFull(error)) return failure(what, error);
  return new KontikiError('KONTIKI_DISK_FULL', `There is no room for ${what}.`, { cause: error });
}

export function notOpen(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'The snapshot store is not open.');
}
