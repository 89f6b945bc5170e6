import { isKontikiError, KontikiError } from '@kontiki/core';
import { hasCode, isSystemFailure, messageOf, storeFailure } from '@kontiki/core/store';

/** Returns the error that a store reports if `action` fails with the database error `error`. */
export function databaseFailure(action: string, error: unknown): KontikiError {
  // `classic-level` reports LEVEL_LOCKED for every error that concerns the lock file.
  if (!isKontikiError(error) && hasCode(error, 'LEVEL_LOCKED') && !isSystemFailure(error)) {
    return new KontikiError(
      'KONTIKI_LOCKED',
      `Cannot ${action}: another process uses the database (${messageOf(error)}). Stop that process, or use another database.`,
      { cause: error },
    );
  }
  if (!isKontikiError(error) && hasCode(error, 'LEVEL_CORRUPTION')) {
    // LevelDB also reports damage when it cannot list its folder.
    return new KontikiError(
      'KONTIKI_CORRUPT',
      `Cannot ${action}: the database reports damage (${messageOf(error)}). A failing disk can cause the same report, so check the disk and try again. If the damage remains, restore the data from a copy, or remove this server from the cluster and add a server with a new id.`,
      { cause: error },
    );
  }
  return storeFailure(action, error);
}
