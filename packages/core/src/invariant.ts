import { KontikiError } from './errors.js';

/**
 * Stops the server when something that Raft proves cannot happen has happened. Stays in the code that runs: going on
 * would be guessing with other people's data. A text with numbers in it is made only when it is needed.
 */
export function invariant(condition: boolean, broken: string | (() => string)): asserts condition {
  if (!condition) {
    throw new KontikiError(
      'KONTIKI_INVARIANT',
      `${typeof broken === 'string' ? broken : broken()}. This is a bug in Kontiki or damage in memory: keep the data folder and report it.`,
    );
  }
}
