import { KontikiError } from '../../errors.js';
import { commandBytes, type Position } from '../../log/entry.js';
import type { Raft } from '../../protocol/raft.js';
import type { Call } from './calls.js';
import { refusalError } from './refusals.js';

/** The outcome of a committed and applied proposal. */
export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  /** The state machine's result for the command. */
  readonly result: Result;
}

interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly call: Call<Applied<Result>>;
  /** The entry's position; undefined while the proposal is queued. */
  position: Position | undefined;
  /** Whether the caller has given up. */
  abandoned: boolean;
}

/** Returns the error for a proposal that was appended but whose outcome this node cannot learn. */
function unknownOutcome(cause: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_UNKNOWN_OUTCOME',
    'The command was appended, but whether it will be applied is unknown. Read before you repeat it, or make it safe to repeat.',
    { cause },
  );
}

/**
 * The proposals of this node: queued proposals wait for the next turn, and appended proposals wait
 * for their outcome. If this server loses its leadership or truncates the entry, the outcome is
 * still open. Another server may have the entry and commit it later. Only the committed entry at
 * the same index decides the outcome.
 */
export class Proposals<Result> {
  readonly #raft: Raft;
  #queued: Proposal<Result>[] = [];
  #queuedBytes = 0;
  /**
   * Appended proposals by term, then by index. A server may lead in two terms and append at the
   * same index in both.
   */
  readonly #appended = new Map<number, Map<number, Call<Applied<Result>>>>();

  constructor(raft: Raft) {
    this.#raft = raft;
  }

  /** Bytes of the queued proposals, counted like the log's limits. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  queue(data: Uint8Array, call: Call<Applied<Result>>): void {
    const proposal: Proposal<Result> = { data, call, position: undefined, abandoned: false };
    this.#queued.push(proposal);
    this.#queuedBytes += commandBytes(data.length);
    call.onGiveUp = (why): void => this.#giveUp(proposal, why);
  }

  /** Proposes all queued commands. */
  proposeQueued(): void {
    if (this.#queued.length === 0) return;
    for (const proposal of this.#queued) {
      if (proposal.abandoned) continue;
      const { data, call } = proposal;
      const appended = this.#raft.propose(data);
      if (typeof appended === 'object') {
        proposal.position = appended;
        this.#callsOf(appended.term).set(appended.index, call);
      } else call.reject(refusalError(this.#raft, appended));
    }
    // Clear the queue last, so that `abandon` rejects the remaining proposals if the protocol
    // throws.
    this.#queued = [];
    this.#queuedBytes = 0;
  }

  /** Settles the proposals at the index of a committed and applied entry. */
  settle({ index, term }: Position, result: Result | undefined): void {
    for (const [proposed, calls] of this.#appended) {
      const call = calls.get(index);
      if (call !== undefined) {
        calls.delete(index);
        if (proposed === term) call.resolve({ index, term, result: result as Result });
        else call.reject(replaced(index));
      }
      // No more proposals of an earlier term can be added.
      if (calls.size === 0 && proposed < term) this.#appended.delete(proposed);
    }
  }

  /**
   * Rejects the proposals up to `index`, because a snapshot replaced the log up to there and their
   * outcome is unknown.
   */
  failSuperseded(index: number): void {
    for (const calls of this.#appended.values()) {
      for (const [at, call] of calls) {
        if (at > index) continue;
        calls.delete(at);
        call.reject(unknownOutcome(undefined));
      }
    }
  }

  /**
   * Rejects all proposals because the node stops. Queued proposals were never appended, and the
   * outcome of appended proposals is unknown.
   */
  abandon(refused: KontikiError): void {
    for (const { call, abandoned, position } of this.#queued) {
      if (!abandoned && position === undefined) call.reject(refused);
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
      proposal.abandoned = true;
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
    `Another entry was committed at index ${index}, so this command never will be. It is safe to propose the command again.`,
  );
}
