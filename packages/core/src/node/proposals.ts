import { KontikiError } from '../errors.js';
import { commandBytes, type Position } from '../log/entry.js';
import type { Raft, ProposalRefusal } from '../protocol/raft.js';
import type { Call } from './calls.js';

/** How a proposal was carried out. */
export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  /** What the state machine returned for it. */
  readonly result: Result;
}

interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly call: Call<Applied<Result>>;
  /** Where it was appended; undefined while it is queued. */
  position: Position | undefined;
  /** Its caller has given it up. */
  given: boolean;
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
 * Proposals: first those that wait for the next turn, then those that were appended here and wait for their fate.
 * Losing the leadership, or the entry, proves nothing: another server may hold it and commit it later. Only what is
 * committed at its index does.
 */
export class Proposals<Result> {
  #queued: Proposal<Result>[] = [];
  #queuedBytes = 0;
  /** By term, then by index: a server may lead twice and append at one index in both terms. */
  readonly #appended = new Map<number, Map<number, Call<Applied<Result>>>>();

  /** What waits for the next turn, as it will be counted in the log. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  queue(data: Uint8Array, call: Call<Applied<Result>>): void {
    const proposal: Proposal<Result> = { data, call, position: undefined, given: false };
    this.#queued.push(proposal);
    this.#queuedBytes += commandBytes(data.length);
    call.giveUp = (why): void => this.#giveUp(proposal, why);
  }

  /** Proposes all that is queued. */
  proposeQueued(raft: Raft, refusal: (why: ProposalRefusal) => KontikiError): void {
    if (this.#queued.length === 0) return;
    for (const proposal of this.#queued) {
      if (proposal.given) continue;
      const { data, call } = proposal;
      const appended = raft.propose(data);
      if (typeof appended === 'object') {
        proposal.position = appended;
        this.#callsOf(appended.term).set(appended.index, call);
      } else call.reject(refusal(appended));
    }
    // Only now: should the protocol fail on one of them, those behind it are still to be refused.
    this.#queued = [];
    this.#queuedBytes = 0;
  }

  /** `entry` is committed and applied; whoever waits at its index knows the outcome. */
  settle({ index, term }: Position, result: Result | undefined): void {
    for (const [proposed, calls] of this.#appended) {
      const call = calls.get(index);
      if (call !== undefined) {
        calls.delete(index);
        if (proposed === term) call.resolve({ index, term, result: result as Result });
        else call.reject(replaced(index));
      }
      // Of the terms before, none waits any more: nothing is added to them either.
      if (calls.size === 0 && proposed < term) this.#appended.delete(proposed);
    }
  }

  /** A snapshot has taken the place of everything up to `index`: what became of it stands nowhere. */
  failSuperseded(index: number): void {
    for (const calls of this.#appended.values()) {
      for (const [at, call] of calls) {
        if (at > index) continue;
        calls.delete(at);
        call.reject(unknownOutcome(undefined));
      }
    }
  }

  /** The node ends: what is queued never will be appended, and of the rest nobody here will learn more. */
  abandon(refused: KontikiError): void {
    for (const { call, given, position } of this.#queued) {
      if (!given && position === undefined) call.reject(refused);
    }
    for (const calls of this.#appended.values()) {
      for (const call of calls.values()) call.reject(unknownOutcome(refused.cause));
    }
    this.#queued = [];
    this.#appended.clear();
  }

  #giveUp(proposal: Proposal<Result>, why: KontikiError): void {
    const { data, call, position } = proposal;
    if (position === undefined) {
      proposal.given = true;
      this.#queuedBytes -= commandBytes(data.length);
      call.reject(why);
    } else {
      this.#callsOf(position.term).delete(position.index);
      call.reject(unknownOutcome(why));
    }
  }

  #callsOf(term: number): Map<number, Call<Applied<Result>>> {
    let calls = this.#appended.get(term);
    if (calls === undefined) {
      calls = new Map();
      this.#appended.set(term, calls);
    }
    return calls;
  }
}

function replaced(index: number): KontikiError {
  return new KontikiError(
    'KONTIKI_REPLACED',
    `Another entry was committed at index ${index}, so this command never will be. It is safe to propose it again.`,
  );
}
