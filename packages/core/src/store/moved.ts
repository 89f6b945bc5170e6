import { KontikiError } from '../errors.js';

/**
 * Maximum size of the text that `retire` stores, in bytes of UTF-8. This is longer than any path.
 */
const MAX_WHERE = 16_384;

/**
 * Returns the error for opening a retired log. `log` is the name of the log with which the error
 * message starts.
 */
export function movedError(log: string, where: string): KontikiError {
  return new KontikiError(
    'KONTIKI_MOVED',
    `${log} is retired: its server moved to ${where} and has voted and acknowledged writes there since. Start the server there.`,
  );
}

/** Throws `KONTIKI_BAD_OPTION` if the location `where` is longer than `retire` can store. */
export function checkWhere(where: string): void {
  const { length } = new TextEncoder().encode(where);
  if (length <= MAX_WHERE) return;
  throw new KontikiError('KONTIKI_BAD_OPTION', `where must have at most ${MAX_WHERE} bytes, not ${length}.`);
}
