import { entryBytes, type ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { InvariantChecker } from '../invariant-checker.js';
import { isQuorum } from '../memberships.js';
import type { Mix } from '../mix.js';

/** The commit indices of one leader since its election. */
interface Commits {
  readonly term: number;
  /** The commit index of the leader at its election. */
  readonly start: number;
  /**
   * Commit indices above the applied index. `at` is the local time at which the commit index was
   * first seen.
   */
  readonly marks: { readonly index: number; readonly at: number }[];
}

/**
 * Checks that queues stay within the configured limits, and that a leader that does not hear from a
 * majority steps down.
 */
export class Bounds {
  readonly #invariants: InvariantChecker;
  readonly #mix: Mix;
  readonly #now: () => number;
  /**
   * Processes that have been leader at some time. Their memory may still contain entries that they
   * appended as leader.
   */
  readonly #ledOnce = new WeakSet<Raft>();
  /** The newest membership of each leader, and the time since which the leader has used it. */
  readonly #changed = new WeakMap<Raft, { readonly index: number; readonly at: number }>();
  /** The commit indices of each leader since its election. */
  readonly #commits = new WeakMap<Raft, Commits>();

  /** `now` returns the simulated time. */
  constructor(invariants: InvariantChecker, mix: Mix, now: () => number) {
    this.#now = now;
    this.#invariants = invariants;
    this.#mix = mix;
  }

  /**
   * Called when a server sends `count` messages to one peer in one turn. In a turn, a server at
   * most fills the peer's window and answers the messages it has received. Both are far fewer than
   * 1,000.
   */
  mailed(id: ServerId, role: string | undefined, count: number): void {
    const most = this.#mix.limits.windowMessages + 1_000;
    this.#bound(count <= most, () => `${id} (${role}) sends ${count} messages in one turn`);
  }

  /**
   * Called when a leader accepts a proposal. Checks that its state machine is not too far behind
   * the commit index, because the caller waits until all earlier entries are applied.
   */
  accepted(id: ServerId, raft: Raft): void {
    const { log, now } = raft;
    const { unappliedBytes, unappliedMs } = this.#mix.limits;
    const commits = this.#commits.get(raft);
    if (commits === undefined || commits.term !== raft.ballot.term) return;
    const oldest = commits.marks.find(({ index }) => index > log.applied);
    const age = oldest === undefined ? 0 : now - oldest.at;
    this.#bound(age <= unappliedMs, () => `${id} accepts a proposal while its machine is ${age} ms behind`);
    let bytes = 0;
    for (let index = Math.max(log.applied, commits.start) + 1; index <= log.committed; index += 1) {
      const entry = log.entry(index);
      if (entry !== undefined) bytes += entryBytes(entry);
    }
    this.#bound(bytes <= unappliedBytes, () => `${id} accepts a proposal while ${bytes} bytes are not applied`);
  }

  #noteCommits(raft: Raft): void {
    const { log, now, ballot } = raft;
    let commits = this.#commits.get(raft);
    if (commits?.term !== ballot.term) {
      commits = { term: ballot.term, start: log.committed, marks: [] };
      this.#commits.set(raft, commits);
    }
    const { marks } = commits;
    if ((marks.at(-1)?.index ?? commits.start) < log.committed) marks.push({ index: log.committed, at: now });
    while ((marks[0]?.index ?? Infinity) <= log.applied) marks.shift();
  }

  /**
   * Called after each turn of a server. `writingSince` is the simulated time at which the
   * unfinished batch on the server's disk was started.
   */
  turned(id: ServerId, raft: Raft, writingSince: number | undefined): void {
    if (raft.role === 'leader') this.#leads(id, raft);
    this.#stalls(id, raft, writingSince);
    const { log, uncommittedBytes } = raft;
    const { limits, commandBytes } = this.#mix;
    const entry = commandBytes + 1_000;
    const uncommitted = uncommittedBytes >= 0 && uncommittedBytes <= limits.uncommittedBytes + entry;
    this.#bound(uncommitted, () => `${id} holds ${uncommittedBytes} uncommitted bytes`);
    const added = this.#ledOnce.has(raft) ? limits.uncommittedBytes : 0;
    // Membership entries have no limit. Other servers may commit a joint change, its end and the
    // next change before this server's disk finishes a write.
    const memberships = this.#mix.strength.churn > 0 ? 3_000 : 0;
    const undurable = limits.undurableBytes + limits.messageBytes + added + entry + memberships;
    this.#bound(log.undurableBytes <= undurable, () => `${id} holds ${log.undurableBytes} bytes that are not durable`);
    if (log.applied < log.lastIndex) return;
    this.#bound(log.heldBytes <= limits.tailBytes, () => `${id} holds ${log.heldBytes} bytes after applying them`);
  }

  /**
   * Checks that a leader has heard from a majority within the last two election timeouts. Skipped
   * in worlds with faults that affect timing, because a leader may then step down later.
   */
  #leads(id: ServerId, raft: Raft): void {
    this.#ledOnce.add(raft);
    this.#noteCommits(raft);
    const { peers, now, timings } = raft;
    const { windowMessages } = this.#mix.limits;
    const longest = 2 * timings.election + timings.heartbeat;
    const heard = new Set([id]);
    for (const [peer, { window, lastActive }] of peers ?? []) {
      this.#bound(window.size <= windowMessages, () => `${window.size} messages to ${peer} are in flight`);
      if (now - lastActive <= longest) heard.add(peer);
    }
    const { membership, membershipIndex } = raft.log;
    if (this.#changed.get(raft)?.index !== membershipIndex)
      this.#changed.set(raft, { index: membershipIndex, at: now });
    // After a forced membership change, a quorum may need servers that have not yet answered this
    // leader.
    const isNew = now - (this.#changed.get(raft)?.at ?? 0) <= longest;
    if (this.#hasLateTurns || isNew || membership === undefined) return;
    const hearsMajority = isQuorum({ ...membership, founded: true }, (voter) => heard.has(voter));
    this.#invariants.check(
      'leaderHearsMajority',
      hearsMajority,
      () => `${id} leads and hears ${heard.size - 1} others`,
    );
  }

  /**
   * Checks that a leader steps down if its disk stops answering while the other servers keep
   * committing.
   */
  #stalls(id: ServerId, { role, log, timings }: Raft, writingSince: number | undefined): void {
    if (this.#hasLateTurns || role !== 'leader' || writingSince === undefined || log.committed <= log.durable) return;
    const stalled = this.#now() - writingSince;
    const steppedDown = stalled <= 6 * timings.election;
    this.#invariants.check('stalledLeaderStepsDown', steppedDown, () => `${id} leads with a stalled disk`);
  }

  /** Whether timers may be checked too late in this world. */
  get #hasLateTurns(): boolean {
    const { pauses, lateTimers, slowLoops, retimings, suspensions, clockSteps } = this.#mix.strength;
    return pauses + lateTimers + slowLoops + retimings + suspensions + clockSteps > 0;
  }

  #bound(holds: boolean, broken: () => string): void {
    this.#invariants.check('queuesAreBounded', holds, broken);
  }
}
