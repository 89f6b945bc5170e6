import { isKontikiError, KontikiError } from '@kontiki/core';
import { corruptData, hasCode, messageOf, storeFailure } from '@kontiki/core/store';

/** Returns the error that a store reports when `action` fails because of a database error. */
export function databaseFailure(action: string, error: unknown): KontikiError {
  if (!isKontikiError(error) && hasCode(error, 'LEVEL_LOCKED')) {
    return new KontikiError(
      'KONTIKI_LOCKED',
      `Cannot ${action}: another process uses the database (${messageOf(error)}). Stop that process, or use another database.`,
      { cause: error },
    );
  }
  if (!isKontikiError(error) && hasCode(error, 'LEVEL_CORRUPTION')) {
    return corruptData(`Cannot ${action}`, `the database reports damage (${messageOf(error)})`, error);
  }
  return storeFailure(action, error);
}
