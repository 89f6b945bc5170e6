import { KontikiError } from '../errors.js';

/** What the `open` of a retired log is refused with. `log`: which one, at the beginning of a sentence. */
export function movedError(log: string, where: string): KontikiError {
  return new KontikiError(
    'KONTIKI_MOVED',
    `${log} is retired: its server has moved to ${where}, and has voted and acknowledged there since. Start it there.`,
  );
}
