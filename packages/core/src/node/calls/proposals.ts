import { KontikiError } from '../../errors.js';
import { commandBytes, type Position } from '../../log/entry.js';
import type { ProposalRefusal, ProposeReply } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import type { Call } from './calls.js';
import { Forwarding } from './forwarding.js';
import type { Applied, Proposal } from './proposal.js';
import { refusalError } from './refusals.js';

/**
 * Returns the error for a proposal that may have been appended and whose outcome this node cannot
 * determine.
 */
function unknownOutcome(cause: unknown, happened = 'appended'): KontikiError {
  return new KontikiError(
    'KONTIKI_UNKNOWN_OUTCOME',
    `The command was ${happened}, but whether it will be applied is unknown. Read before you repeat it, or make it safe to repeat.`,
    { cause },
  );
}

const SENT = 'sent to the leader';

/**
 * The proposals of this node, in three stages. Queued proposals wait for the next turn. On a server
 * that is not the leader, forwarded proposals wait for an answer from the leader. Appended
 * proposals wait for their outcome.
 *
 * If this server loses its leadership or truncates a proposal's entry, the outcome is still open:
 * another server may have the entry and commit it. Only committed entries decide the outcome. The
 * terms in a log never decrease. So a committed entry rules out lower terms at and after its index,
 * and higher terms at and before it.
 */
export class Proposals<Result> {
  readonly #raft: Raft;
  readonly #situation: () => string;
  #queued: Proposal<Result>[] = [];
  /** Total size in bytes of the proposals whose position is not known yet. */
  #queuedBytes = 0;
  readonly #forwarding: Forwarding<Result>;
  /**
   * The error for proposals that would have to wait for a leader; undefined while they may wait.
   */
  #closing: KontikiError | undefined;
  /**
   * Appended proposals by term, then by index. A server may lead in two terms, and append an entry
   * at the same index in both of them.
   */
  readonly #appended = new Map<number, Map<number, Call<Applied<Result>>>>();
  /** The newest position of an appended proposal. */
  #newest: Position = { index: 0, term: 0 };

  /**
   * Creates the collection of a node's proposals. `situation` returns sentences that describe why
   * this server cannot accept a proposal now.
   */
  constructor(raft: Raft, situation: () => string) {
    this.#raft = raft;
    this.#situation = situation;
    this.#forwarding = new Forwarding<Result>(raft, {
      appended: (proposal, position) => this.#appendedAt(proposal, position),
      refused: (proposal, why) => this.#refused(proposal, why),
    });
  }

  /**
   * Returns an error if this node cannot accept a command of this length now; undefined otherwise.
   */
  refuse(length: number, forward: boolean): KontikiError | undefined {
    const raft = this.#raft;
    if (raft.role !== 'leader' && !forward) return refusalError(raft, 'notLeader', this.#situation);
    const waiting = raft.uncommittedBytes + this.#queuedBytes;
    const fits = waiting === 0 || waiting + commandBytes(length) <= raft.limits.uncommittedBytes;
    return fits ? undefined : refusalError(raft, 'overloaded', this.#situation);
  }

  queue(data: Uint8Array, forward: boolean, call: Call<Applied<Result>>): void {
    const proposal: Proposal<Result> = { data, call, forward, position: undefined, abandoned: false };
    this.#queued.push(proposal);
    this.#queuedBytes += commandBytes(data.length);
    call.onGiveUp = (why): void => this.#giveUp(proposal, why);
  }

  /**
   * Whether any proposal still has no outcome. Includes queued, appended and forwarded proposals,
   * but not those that wait for a leader.
   */
  get areWaiting(): boolean {
    if (this.#queued.length > 0 || this.#forwarding.areSent) return true;
    for (const calls of this.#appended.values()) if (calls.size > 0) return true;
    return false;
  }

  /** Appends all queued commands if this server leads; otherwise, forwards them to the leader. */
  proposeQueued(): void {
    const { role, transferTarget } = this.#raft;
    if (role === 'leader' && transferTarget === undefined)
      this.#queued = [...this.#forwarding.takeWaiting(), ...this.#queued];
    for (const proposal of this.#queued) {
      if (proposal.abandoned) continue;
      const appended = this.#raft.propose(proposal.data);
      if (typeof appended === 'object') this.#appendedAt(proposal, appended);
      else this.#refused(proposal, appended);
    }
    // Clear the queue last, so that `abandon` rejects the remaining proposals if the protocol
    // throws.
    this.#queued = [];
    this.#forwarding.send();
  }

  /** Processes the leader's answers to forwarded proposals. */
  answered(replies: readonly ProposeReply[]): void {
    for (const reply of replies) this.#forwarding.answered(reply);
  }

  /**
   * Rejects all proposals that are waiting for a leader, and every later proposal that would have
   * to wait.
   */
  stopWaiting(error: KontikiError): void {
    this.#closing = error;
    for (const proposal of this.#forwarding.takeWaiting()) this.#reject(proposal, error);
  }

  /** Settles every proposal whose outcome follows from a committed and applied entry. */
  settle(entry: Position, result: Result | undefined): void {
    this.#ruleOut(entry);
    this.#forwarding.noteApplied(entry, result);
    const { index, term } = entry;
    const calls = this.#appended.get(term);
    const call = calls?.get(index);
    if (call === undefined) return;
    calls?.delete(index);
    call.resolve({ index, term, result: result as Result });
  }

  /**
   * Settles the proposals whose outcome follows from a snapshot that replaced the log up to `last`.
   * The outcome of all other proposals up to `last` is unknown, because a snapshot contains no
   * entries.
   */
  passSnapshot(last: Position): void {
    this.#ruleOut(last);
    for (const calls of this.#appended.values()) {
      for (const [at, call] of calls) {
        if (at > last.index) break;
        calls.delete(at);
        call.reject(resultLost(last.index));
      }
    }
  }

  /**
   * Rejects all proposals because the node is stopping. Queued proposals were never appended. The
   * outcome of appended proposals is unknown.
   */
  abandon(refused: KontikiError): void {
    for (const { call, abandoned, position } of this.#queued) {
      if (!abandoned && position === undefined) call.reject(refused);
    }
    for (const proposal of this.#forwarding.takeWaiting()) this.#reject(proposal, refused);
    for (const { call } of this.#forwarding.takeSent()) call.reject(unknownOutcome(refused.cause ?? refused, SENT));
    for (const calls of this.#appended.values()) {
      for (const call of calls.values()) call.reject(unknownOutcome(refused.cause ?? refused));
    }
    this.#queued = [];
    this.#appended.clear();
  }

  #giveUp(proposal: Proposal<Result>, why: KontikiError): void {
    const { call, position } = proposal;
    if (position === undefined) {
      const wasSent = this.#forwarding.giveUp(proposal);
      this.#reject(proposal, wasSent ? unknownOutcome(why, SENT) : why);
    } else {
      this.#appended.get(position.term)?.delete(position.index);
      call.reject(unknownOutcome(why));
    }
  }

  /** Rejects a proposal whose position is not known. */
  #reject(proposal: Proposal<Result>, error: KontikiError): void {
    if (proposal.abandoned) return;
    proposal.abandoned = true;
    this.#queuedBytes -= commandBytes(proposal.data.length);
    proposal.call.reject(error);
  }

  /**
   * Handles a proposal that this server or the leader has refused. Depending on the reason, the
   * proposal waits for another leader, or its call rejects.
   */
  #refused(proposal: Proposal<Result>, why: ProposalRefusal): void {
    const { leader, id, forwarded } = this.#raft;
    const waits =
      why === 'transferring' ||
      (why === 'notLeader' && (leader === undefined || leader === id || forwarded.canForward));
    if (!proposal.forward || !waits) this.#reject(proposal, refusalError(this.#raft, why, this.#situation));
    else if (this.#closing !== undefined) this.#reject(proposal, this.#closing);
    else this.#forwarding.add(proposal);
  }

  /** Waits for the outcome of an appended entry. The entry may already have been applied. */
  #appendedAt(proposal: Proposal<Result>, position: Position): void {
    const { data, call } = proposal;
    const { index, term } = position;
    proposal.position = position;
    this.#queuedBytes -= commandBytes(data.length);
    const { applied, base } = this.#raft.log;
    if (index > Math.max(applied, base.index)) return this.#wait(position, call);
    const outcome = this.#forwarding.outcomeAt(index);
    if (outcome === undefined) call.reject(resultLost(index));
    else if (outcome.term === term) call.resolve({ index, term, result: outcome.result as Result });
    else call.rejectWith(() => replaced(position, { index, term: outcome.term }));
  }

  /**
   * Adds an appended proposal to the list of proposals of its term, which is in ascending order of
   * index.
   */
  #wait({ index, term }: Position, call: Call<Applied<Result>>): void {
    const newest = this.#newest;
    const isLast = term > newest.term || (term === newest.term && index > newest.index);
    const calls = this.#callsOf(term).set(index, call);
    if (isLast) this.#newest = { index, term };
    // Answers to forwarded proposals may arrive out of order.
    else this.#appended.set(term, new Map([...calls].sort(([a], [b]) => a - b)));
  }

  /**
   * Rejects the proposals that can never be committed, because a different entry has been committed
   * at `committed`.
   */
  #ruleOut(committed: Position): void {
    for (const [term, calls] of this.#appended) {
      if (term === committed.term) continue;
      for (const [index, call] of calls) {
        // The calls of each term are in ascending order of index.
        if (term > committed.term && index > committed.index) break;
        if (term < committed.term && index < committed.index) continue;
        calls.delete(index);
        call.rejectWith(() => replaced({ index, term }, committed));
      }
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

/**
 * Returns the error for a proposal at or before index `last` whose result this server does not
 * know.
 */
function resultLost(last: number): KontikiError {
  const cause = new KontikiError(
    'KONTIKI_COMPACTED',
    `A snapshot replaced the log up to entry ${last}, or the leader answered late, so the results of the commands in it are not known here.`,
  );
  return unknownOutcome(cause);
}

function replaced(proposed: Position, committed: Position): KontikiError {
  return new KontikiError(
    'KONTIKI_REPLACED',
    `The command was appended as entry ${proposed.index} of term ${proposed.term}, but entry ${committed.index} of term ${committed.term} was committed instead, so this command never will be. It is safe to propose the command again.`,
  );
}
