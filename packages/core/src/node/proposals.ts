import { KontikiError } from '../errors.js';
import type { Position } from '../log/entry.js';
import type { Call } from './calls.js';

/** How a proposal was carried out. */
export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  /** What the state machine returned for it. */
  readonly result: Result;
}

/** The outcome of a proposal that was appended and whose fate this node will not tell. */
function unknownOutcome(cause: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_UNKNOWN_OUTCOME',
    'The command was appended, but whether it will be applied is not known. Read before you repeat it, or make it safe to repeat.',
    { cause },
  );
}

/**
 * Proposals that were appended here and wait for their fate. Losing the leadership, or the entry, proves nothing:
 * another server may hold it and commit it later. Only what is committed at its index does (design: three outcomes).
 */
export class Proposals<Result> {
  /** By term, then by index: a server may lead twice and append at one index in both terms. */
  readonly #byTerm = new Map<number, Map<number, Call<Applied<Result>>>>();

  add({ index, term }: Position, call: Call<Applied<Result>>): void {
    const calls = this.#byTerm.get(term) ?? new Map<number, Call<Applied<Result>>>();
    this.#byTerm.set(term, calls.set(index, call));
    call.giveUp = (why): void => {
      calls.delete(index);
      call.reject(unknownOutcome(why));
    };
  }

  /** `entry` is committed and applied; whoever waits at its index knows the outcome. */
  settle({ index, term }: Position, result: Result | undefined): void {
    for (const [proposed, calls] of this.#byTerm) {
      const call = calls.get(index);
      if (call !== undefined) {
        calls.delete(index);
        if (proposed === term) call.resolve({ index, term, result: result as Result });
        else call.reject(replaced(index));
      }
      // Of the terms before, none waits any more: nothing is added to them either.
      if (calls.size === 0 && proposed < term) this.#byTerm.delete(proposed);
    }
  }

  /** The node ends: nobody here will learn more. */
  abandon(cause: unknown): void {
    for (const calls of this.#byTerm.values()) for (const call of calls.values()) call.reject(unknownOutcome(cause));
    this.#byTerm.clear();
  }
}

function replaced(index: number): KontikiError {
  return new KontikiError(
    'KONTIKI_REPLACED',
    `Another entry was committed at index ${index}, so this command never will be. It is safe to propose it again.`,
  );
}
