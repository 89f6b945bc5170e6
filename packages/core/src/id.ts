import { KontikiError } from './errors.js';

const ID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Returns whether a value is a valid cluster or server id. Ids appear in file names, HTTP headers
 * and logs, so characters that have a special meaning there are not allowed.
 */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

/** Returns random bytes as lowercase hexadecimal digits. */
export function randomHex(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Returns `id`, or throws `KONTIKI_BAD_OPTION` if `id` is invalid. The error message calls the id
 * `option`.
 */
export function checkId(option: string, id: unknown): string {
  if (isId(id)) return id;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `${option} must be 1 to 64 characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(id)}.`,
  );
}
