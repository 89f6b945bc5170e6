/** The name of the header with the place of a command in the session of its client. */
export const SESSION_HEADER = 'kontiki-session';

/** The place of a command in a session. */
export interface SessionPlace {
  readonly session: number;
  /** The number of the command in its session, from 1 on. A retry has the same number. */
  readonly sequence: number;
  /** The sequence number up to which the client will not retry any command. */
  readonly settled: number;
}

/** Returns the value of the header, for example `8213 17 16`. */
export function formatPlace({ session, sequence, settled }: SessionPlace): string {
  return `${session} ${sequence} ${settled}`;
}

/** Parses the value of the header. Returns undefined if it is invalid. */
export function parsePlace(value: string): SessionPlace | undefined {
  const [, ...digits] = /^(\d{1,16}) (\d{1,16}) (\d{1,16})$/.exec(value) ?? [];
  const [session = NaN, sequence = NaN, settled = NaN] = digits.map(Number);
  const isValid = [session, sequence, settled].every(Number.isSafeInteger) && settled < sequence;
  return isValid ? { session, sequence, settled } : undefined;
}
