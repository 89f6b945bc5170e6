/** What a client asked of one key, and what it was told. */
export interface Operation<Input> {
  /** Operations of different keys have nothing to do with each other. */
  readonly key: string;
  readonly input: Input;
  /** When it was asked, on the one clock of the whole history; in any unit. */
  readonly call: number;
  /** When it was answered; `null`: never, it may have been carried out at any time since, or not at all. */
  readonly end: number | null;
}

/** A line of a history that cannot be used. */
export class HistoryError extends Error {
  readonly code = 'HISTORY';

  constructor(line: number, what: string, options?: ErrorOptions) {
    super(`line ${line}: ${what}`, options);
    this.name = 'HistoryError';
  }
}

/**
 * Reads JSON lines: `{"key":"x","call":1,"end":2,"input":{...}}`, `end` null for an unknown outcome. What was refused is
 * left out of a history: its value must never be seen.
 */
export function parseHistory<Input>(text: string): Operation<Input>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let operation: Operation<Input>;
    try {
      operation = JSON.parse(line) as Operation<Input>;
    } catch (error) {
      throw new HistoryError(i + 1, 'this is no JSON', { cause: error });
    }
    const { key, call, end, input } = operation;
    if (typeof key !== 'string' || typeof input !== 'object') throw new HistoryError(i + 1, 'key or input is missing');
    if (typeof call !== 'number' || (end !== null && typeof end !== 'number')) {
      throw new HistoryError(i + 1, 'call is a number, and end a number or null');
    }
    if (end !== null && end < call)
      throw new HistoryError(i + 1, `it ended at ${end}, before it was called at ${call}`);
    return [operation];
  });
}
