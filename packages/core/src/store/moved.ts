import { KontikiError } from '../errors.js';

/** Bytes, in UTF-8, of what a retired log says of where its server has gone: more than any path has. */
const MAX_WHERE = 16_384;

/** What the `open` of a retired log is refused with. `log`: which one, at the beginning of a sentence. */
export function movedError(log: string, where: string): KontikiError {
  return new KontikiError(
    'KONTIKI_MOVED',
    `${log} is retired: its server has moved to ${where}, and has voted and acknowledged there since. Start it there.`,
  );
}

/** Throws `KONTIKI_BAD_OPTION` on a text that `retire` does not take: it is told whole or not at all. */
export function checkWhere(where: string): void {
  const { length } = new TextEncoder().encode(where);
  if (length <= MAX_WHERE) return;
  throw new KontikiError('KONTIKI_BAD_OPTION', `where must have at most ${MAX_WHERE} bytes, not ${length}.`);
}
