import { KontikiError } from '../errors.js';

/**
 * Maximum size, in bytes of UTF-8, of the location that `retire` stores. Paths are shorter than
 * this.
 */
const MAX_WHERE = 16_384;

/**
 * Returns the error for opening a retired log. `log` is the log's name, which starts the error
 * message.
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
