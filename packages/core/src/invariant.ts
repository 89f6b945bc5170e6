import { KontikiError } from './errors.js';

/**
 * Throws `KONTIKI_INVARIANT`, which stops the server, if a condition does not hold that Raft
 * guarantees. These checks stay in the code that runs, because a server that continued would be
 * guessing with its users' data. A message with numbers in it is a function, so that it is built
 * only when needed.
 */
export function invariant(condition: boolean, broken: string | (() => string)): asserts condition {
  if (!condition) {
    throw new KontikiError(
      'KONTIKI_INVARIANT',
      `${typeof broken === 'string' ? broken : broken()}. This is a bug in Kontiki, or memory is damaged. Keep the data folder and report the bug.`,
    );
  }
}
