/** A client's operation on one key, with its result. */
export interface Operation<Input> {
  /** The key of the operation. Operations on different keys are independent. */
  readonly key: string;
  /** The operation and its result, as the model defines them. */
  readonly input: Input;
  /** Time of the call, in any unit. The whole history must use one clock. */
  readonly call: number;
  /**
   * Time of the response, or `null` if the outcome is unknown. The operation may then take effect
   * at any time after the call, or never.
   */
  readonly end: number | null;
}

/** The error thrown for an invalid line of a history. */
export class HistoryError extends Error {
  readonly code = 'HISTORY';

  constructor(line: number, what: string, options?: ErrorOptions) {
    super(`line ${line}: ${what}`, options);
    this.name = 'HistoryError';
  }
}

/**
 * Parses a history in JSON lines: `{"key":"x","call":1,"end":2,"input":{...}}`. `end` is null for
 * an unknown outcome. A history must not contain refused operations, because they never took
 * effect. Throws a `HistoryError` for an invalid line.
 */
export function parseHistory<Input>(text: string): Operation<Input>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    let operation: Operation<Input>;
    try {
      operation = JSON.parse(line) as Operation<Input>;
    } catch (error) {
      throw new HistoryError(i + 1, 'not valid JSON', { cause: error });
    }
    const { key, call, end, input } = operation;
    if (typeof key !== 'string' || typeof input !== 'object') throw new HistoryError(i + 1, 'key or input is missing');
    if (typeof call !== 'number' || (end !== null && typeof end !== 'number')) {
      throw new HistoryError(i + 1, 'call must be a number, and end a number or null');
    }
    if (end !== null && end < call) throw new HistoryError(i + 1, `end ${end} is before call ${call}`);
    return [operation];
  });
}
