import { isKontikiError, KontikiError } from '@kontiki/core';

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);

/** What a snapshot store says of an error of the disk. */
export function failure(what: string, error: unknown): KontikiError {
  if (isKontikiError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return FULL.has(code)
    ? new KontikiError('KONTIKI_DISK_FULL', `There is no room for ${what}.`, { cause: error })
    : new KontikiError('KONTIKI_STORE_FAILED', `The disk failed with ${what} (${message}).`, { cause: error });
}

/** What is said of a folder that cannot be opened. */
export function unusable(path: string, error: unknown): KontikiError {
  if (isKontikiError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'KONTIKI_LOCKED') return new KontikiError('KONTIKI_LOCKED', message, { cause: error });
  return new KontikiError('KONTIKI_STORE_FAILED', `The snapshots' folder ${path} cannot be used (${message}).`, {
    cause: error,
  });
}

export function refused(path: string): (error: unknown) => never {
  return (error) => {
    throw unusable(path, error);
  };
}

export function notOpen(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'The snapshot store is not open.');
}
