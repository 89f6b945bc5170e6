import { KontikiError } from './errors.js';

/**
 * Throws `KONTIKI_INVARIANT`, which stops the server, if a condition that Raft guarantees does not
 * hold. These checks also run in production, because a server in an impossible state could damage
 * its users' data. If the message contains values, pass a function, so that the message is built
 * only on failure.
 */
export function invariant(condition: boolean, broken: string | (() => string)): asserts condition {
  if (!condition) {
    throw new KontikiError(
      'KONTIKI_INVARIANT',
      `${typeof broken === 'string' ? broken : broken()}. This is a bug in Kontiki, or memory is damaged. Keep the data folder and report the bug.`,
    );
  }
}
