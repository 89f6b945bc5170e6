import { CommandError, isCommandError } from '../command-error.js';
import { KontikiError, type ErrorCode } from '../../errors.js';
import type { Outcome } from '../outcome.js';
import { decodePlain, encodePlain } from '../state-encoding.js';

/** Encodes the results that sessions keep for retries. */
export interface ResultCodec<Result> {
  /** Returns the encoded result. Throws if the result cannot be encoded exactly. */
  encode(result: Result): string;
  decode(text: string): Result;
}

/** Encodes results that are plain data. */
export const plainResults: ResultCodec<unknown> = { encode: encodePlain, decode: decodePlain };

/** Encodes the outcomes of defined state machines: plain data, or an error with code and message. */
export const outcomes: ResultCodec<Outcome> = {
  encode: (outcome) => {
    if ('result' in outcome) return `r${encodePlain(outcome.result)}`;
    const { error } = outcome;
    const { code } = error as CommandError | KontikiError;
    return `${isCommandError(error) ? 'c' : 'k'}${JSON.stringify([code, error.message])}`;
  },
  decode: (text) => {
    const rest = text.slice(1);
    if (text.startsWith('r')) return { result: decodePlain(rest) };
    const [code, message] = JSON.parse(rest) as [string, string];
    if (text.startsWith('c')) return { error: new CommandError(code, message) };
    return { error: new KontikiError(code as ErrorCode, message) };
  },
};
