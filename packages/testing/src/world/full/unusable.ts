import { isKontikiError, type ErrorCode } from '@kontiki/core';

/** Codes of the errors that mean that a server's data is permanently unusable. */
const UNUSABLE: ReadonlySet<ErrorCode> = new Set([
  'KONTIKI_CORRUPT',
  'KONTIKI_FORMAT',
  'KONTIKI_FOREIGN_DATA',
  'KONTIKI_LOST_DATA',
]);

/** Returns whether an error means that a server's data is permanently unusable. */
export function isUnusable(error: Error): boolean {
  return isKontikiError(error) && UNUSABLE.has(error.code);
}
