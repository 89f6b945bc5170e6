import { KontikiError } from '../errors.js';

/** What is thrown out of a state machine stops the server: going on would skip or double an entry. */
export function machineFailed(doing: string, cause: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_MACHINE_FAILED',
    `The state machine threw while it ${doing}. The server has stopped, its log is intact: mend the machine and start again.`,
    { cause },
  );
}
