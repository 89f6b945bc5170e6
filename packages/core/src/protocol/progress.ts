import { invariant } from '../invariant.js';
import type { StoreId } from '../log/server.js';
import type { PageRead } from './output.js';
import type { Header } from './role.js';
import type { Limits } from './settings.js';
import { Window } from './window.js';

/**
 * How a leader currently replicates its log to a peer.
 * - `probe`: the leader sends one append at a time, to find the last entry at which the logs match.
 * - `replicate`: the leader sends a stream of appends within a window.
 * - `snapshot`: the peer needs entries that have been compacted, so it receives a snapshot.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** A leader's record of one incarnation of a peer. `match` is always less than `next`. */
export class Progress {
  /**
   * The number of the current stream of appends to the peer. A rejection ends this stream and
   * starts a new one. Further rejections from the old stream are ignored, so that they do not
   * restart replication again. Acknowledgements from earlier streams still count.
   */
  stream: number;
  readonly #firstStream: number;
  readonly #drawStream: () => number;
  readonly window: Window;
  state: ProgressState = 'probe';
  /** The peer's incarnation; 0 until the peer has answered. */
  incarnation = 0;
  /** The identity of the peer's store; undefined until the peer has answered. */
  store: StoreId | undefined;
  /**
   * The time of the peer's last answer, in milliseconds. Initially, the time at which this object
   * was created.
   */
  lastActive: number;
  /** The latest read round that the peer has answered. */
  round = 0;
  /**
   * The newest read round in which the peer's disk had room; 0 if the peer's last report was that
   * its disk is full.
   */
  roomRound = 0;
  /** The commit index last sent to the peer. */
  committedSent = 0;
  /**
   * The commit index that still has to be sent to the peer in a commit message, unless an append
   * delivers it first.
   */
  unannounced = 0;
  /** Whether the peer's disk is full. If so, the peer receives no entries. */
  full = false;
  /**
   * Whether the peer is a voter that has lost its disk and is now blank. Answers from such a peer
   * do not count toward a quorum, and the leader sends it no entries.
   */
  lost = false;
  /**
   * Whether the peer has sent a message that contradicts this leader's history, which means that
   * one of the two servers has lost data. Until another server leads, the peer receives no entries
   * and does not count toward a quorum.
   */
  contradicts = false;
  /** Whether a probe to the peer is in flight. */
  waiting = false;
  /**
   * Whether to send the peer an empty append to find out how much of the log it has. This is set if
   * the peer acknowledged nothing between two heartbeat replies.
   */
  nudge = false;
  /**
   * The highest feature level that the peer supports; undefined until the peer has answered a
   * heartbeat.
   */
  level: number | undefined;
  /**
   * The newest version of the state machine's behavior that the peer has; 0 if the peer has
   * reported none.
   */
  behavior = 0;
  pendingRead: PageRead | undefined;
  #match = 0;
  #next: number;
  #matchAtHeartbeat = 0;
  #heartbeatRepliedAt = -Infinity;

  /**
   * Creates the record of a peer. `drawStream` returns a stream number that this leader has not
   * used before.
   */
  constructor(drawStream: () => number, next: number, now: number, limits: Limits) {
    this.#drawStream = drawStream;
    this.#firstStream = this.stream = drawStream();
    this.#next = next;
    this.lastActive = now;
    this.window = new Window(limits.windowMessages, limits.windowBytes);
  }

  /**
   * The index up to which the leader's log is durable on the peer; 0 until the peer has
   * acknowledged an entry.
   */
  get match(): number {
    return this.#match;
  }

  /** The index of the next entry to send to the peer. */
  get next(): number {
    return this.#next;
  }

  /** Stores the peer's incarnation and the identity of its store. */
  adopt({ incarnation, store }: Header): void {
    this.incarnation = incarnation;
    this.store = store;
  }

  /** Whether the peer is excluded: it counts toward no quorum and receives no entries. */
  get isExcluded(): boolean {
    return this.lost || this.contradicts;
  }

  /** Whether another append may be sent to the peer now. */
  get ready(): boolean {
    if (this.isExcluded || this.pendingRead !== undefined) return false;
    return this.state === 'probe' ? !this.waiting : this.state === 'replicate' && !this.window.full;
  }

  /**
   * Records that an append of entries up to `last` has been sent. If the append is empty, `last` is
   * `next - 1`.
   */
  sent(last: number, bytes: number): void {
    if (this.state === 'probe') this.waiting = true;
    else if (last >= this.#next) {
      this.window.add(last, bytes);
      this.#next = last + 1;
    }
  }

  /**
   * Records that the log up to `match` is durable on the peer. Acknowledgements may be late or
   * duplicated, so `match` never decreases. A peer stays in the state `snapshot` until its log
   * reaches the leader's `base` (etcd-io/raft#110).
   */
  accepted(match: number, base: number): void {
    if (match > this.#match) this.#match = match;
    const waits = this.state === 'snapshot' && this.#match < base;
    if (this.state !== 'replicate' && !waits) this.#enter('replicate', this.#match + 1);
    else if (this.#next <= this.#match) this.#next = this.#match + 1;
    this.window.free(this.#match);
    this.#check();
  }

  /**
   * Returns whether a stream belongs to the peer's current incarnation rather than to an earlier
   * one.
   */
  ownsStream(stream: number): boolean {
    return stream >= this.#firstStream && stream <= this.stream;
  }

  /**
   * Returns whether a rejection at `prevIndex` belongs to the current stream. While the leader is
   * probing, the rejection must also answer the current probe.
   */
  isCurrent(stream: number, prevIndex: number): boolean {
    if (stream !== this.stream || prevIndex <= this.#match) return false;
    return this.state === 'replicate' || prevIndex === this.#next - 1;
  }

  /** Records a rejected append. The logs match at most up to `index`. */
  rejected(prevIndex: number, index: number): void {
    this.stream = this.#drawStream();
    this.#enter('probe', Math.max(this.#match + 1, Math.min(prevIndex, index + 1)));
    this.#check();
  }

  needsSnapshot(): void {
    this.#enter('snapshot', this.#next);
  }

  /**
   * Records a heartbeat reply, which shows that the connection works. If the peer has acknowledged
   * nothing since its previous reply, either an append was lost or the peer's disk is slow. Read
   * rounds also use heartbeats and may be frequent, so at most one reply counts in every half
   * `interval` (in milliseconds).
   */
  onHeartbeatReply(now: number, interval: number): void {
    if (now - this.#heartbeatRepliedAt < interval / 2) return;
    this.#heartbeatRepliedAt = now;
    this.waiting = false;
    if (this.state === 'replicate') this.nudge = this.window.size > 0 && this.#matchAtHeartbeat === this.#match;
    this.#matchAtHeartbeat = this.#match;
  }

  #enter(state: ProgressState, next: number): void {
    this.state = state;
    this.#next = next;
    this.waiting = false;
    this.nudge = false;
    this.pendingRead = undefined;
    this.window.clear();
  }

  #check(): void {
    invariant(this.#match < this.#next, () => `match ${this.#match} is not below next ${this.#next}`);
  }
}
