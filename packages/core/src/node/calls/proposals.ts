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
 * still open. Another server may have the entry and commit it later. Only committed entries decide
 * the outcome. The terms of a log ascend, so a committed entry rules out lower terms at and after its
 * index, and higher terms at and before its index.
 */
export class Proposals<Result> {
  readonly #raft: Raft;
  readonly #situation: () => string;
  #queued: Proposal<Result>[] = [];
  #queuedBytes = 0;
  /**
   * Appended proposals by term, then by index. A server may lead in two terms and append at the
   * same index in both.
   */
  readonly #appended = new Map<number, Map<number, Call<Applied<Result>>>>();

  /** `situation` describes why this server cannot accept a proposal now. */
  constructor(raft: Raft, situation: () => string) {
    this.#raft = raft;
    this.#situation = situation;
  }

  /** Returns an error if a command of this length could not be appended now; undefined otherwise. */
  refuse(length: number): KontikiError | undefined {
    const raft = this.#raft;
    if (raft.role !== 'leader') return refusalError(raft, 'notLeader', this.#situation);
    const waiting = raft.uncommittedBytes + this.#queuedBytes;
    const fits = waiting === 0 || waiting + commandBytes(length) <= raft.limits.uncommittedBytes;
    return fits ? undefined : refusalError(raft, 'overloaded', this.#situation);
  }

  queue(data: Uint8Array, call: Call<Applied<Result>>): void {
    const proposal: Proposal<Result> = { data, call, position: undefined, abandoned: false };
    this.#queued.push(proposal);
    this.#queuedBytes += commandBytes(data.length);
    call.onGiveUp = (why): void => this.#giveUp(proposal, why);
  }

  /** Whether any proposal has no outcome yet. */
  get areWaiting(): boolean {
    if (this.#queued.length > 0) return true;
    for (const calls of this.#appended.values()) if (calls.size > 0) return true;
    return false;
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
      } else call.reject(refusalError(this.#raft, appended, this.#situation));
    }
    // Clear the queue last, so that `abandon` rejects the remaining proposals if the protocol
    // throws.
    this.#queued = [];
    this.#queuedBytes = 0;
  }

  /** Settles every proposal whose outcome follows from a committed and applied entry. */
  settle(entry: Position, result: Result | undefined): void {
    this.#ruleOut(entry);
    const { index, term } = entry;
    const calls = this.#appended.get(term);
    const call = calls?.get(index);
    if (call === undefined) return;
    calls?.delete(index);
    call.resolve({ index, term, result: result as Result });
  }

  /**
   * Settles the proposals that a snapshot ending at `last` decides, because it replaced the log. The
   * outcome of other proposals up to there is unknown: the snapshot does not contain the entries.
   */
  passSnapshot(last: Position): void {
    this.#ruleOut(last);
    const cause = new KontikiError(
      'KONTIKI_COMPACTED',
      `A snapshot replaced the log up to entry ${last.index}, so the results of the commands in it are not known here.`,
    );
    for (const calls of this.#appended.values()) {
      for (const [at, call] of calls) {
        if (at > last.index) break;
        calls.delete(at);
        call.reject(unknownOutcome(cause));
      }
    }
  }

  /**
   * Rejects all proposals because the node stops. Queued proposals were never appended. The outcome
   * of appended proposals is unknown.
   */
  abandon(refused: KontikiError): void {
    for (const { call, abandoned, position } of this.#queued) {
      if (!abandoned && position === undefined) call.reject(refused);
    }
    for (const calls of this.#appended.values()) {
      for (const call of calls.values()) call.reject(unknownOutcome(refused.cause ?? refused));
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
      this.#appended.get(position.term)?.delete(position.index);
      call.reject(unknownOutcome(why));
    }
  }

  /** Rejects the proposals that can never be committed, because the entry at `committed` is. */
  #ruleOut(committed: Position): void {
    for (const [term, calls] of this.#appended) {
      if (term === committed.term) continue;
      for (const [index, call] of calls) {
        // The calls of a term are in ascending order of their indices.
        if (term > committed.term && index > committed.index) break;
        if (term < committed.term && index < committed.index) continue;
        calls.delete(index);
        call.rejectWith(() => replaced({ index, term }, committed));
      }
      // No more proposals of an earlier term can be added.
      if (calls.size === 0 && term < committed.term) this.#appended.delete(term);
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

function replaced(proposed: Position, committed: Position): KontikiError {
  return new KontikiError(
    'KONTIKI_REPLACED',
    `The command was appended as entry ${proposed.index} of term ${proposed.term}, but entry ${committed.index} of term ${committed.term} was committed instead, so this command never will be. It is safe to propose the command again.`,
  );
}
