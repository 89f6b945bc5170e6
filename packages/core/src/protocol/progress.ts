import { invariant } from '../invariant.js';
import type { PageRead } from './output.js';
import { Window } from './window.js';
import type { Limits } from './settings.js';

/**
 * The way a peer receives entries. `probe`: one append at a time, to find where the logs match.
 * `replicate`: a stream of appends within a window. `snapshot`: the log no longer holds the entries
 * that the peer needs.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** A leader's knowledge of one incarnation of a peer. Always match < next. */
export class Progress {
  /**
   * The number of the current stream of appends. A rejection ends the stream and starts another
   * one. So the rejections of the appends that followed the rejected one are recognized as old, and
   * do not each restart the stream. Acknowledgements of earlier streams still count.
   */
  stream: number;
  readonly #firstStream: number;
  readonly #drawStream: () => number;
  readonly window: Window;
  state: ProgressState = 'probe';
  /** The peer's incarnation; 0 until it has answered. */
  incarnation = 0;
  /** Milliseconds: the time at which the peer last answered. */
  lastActive: number;
  /** The newest read round that the peer has answered. */
  round = 0;
  /** The commit index last sent to the peer. */
  committedSent = 0;
  /** The commit index to send with a message of its own if no append carries it before. */
  unannounced = 0;
  /** Whether the peer's disk has no room. It receives no entries then. */
  full = false;
  /**
   * Whether the peer is a voter that holds nothing: it has lost its disk. It counts for nothing and
   * receives nothing.
   */
  lost = false;
  /** Whether a probe is in flight. */
  waiting = false;
  /**
   * Whether the window made no progress for a heartbeat, so that an empty append should ask for the
   * peer's position.
   */
  nudge = false;
  pendingRead: PageRead | undefined;
  #match = 0;
  #next: number;
  #matchAtHeartbeat = 0;
  #heartbeatRepliedAt = -Infinity;

  /** `drawStream` returns numbers that no other progress of this leader has. */
  constructor(drawStream: () => number, next: number, now: number, limits: Limits) {
    this.#drawStream = drawStream;
    this.#firstStream = this.stream = drawStream();
    this.#next = next;
    this.lastActive = now;
    this.window = new Window(limits.windowMessages, limits.windowBytes);
  }

  /** The peer durably holds the leader's log up to this index. 0 until it has acknowledged one. */
  get match(): number {
    return this.#match;
  }

  /** Index of the next entry to send. */
  get next(): number {
    return this.#next;
  }

  /** Whether another append may be sent. */
  get ready(): boolean {
    if (this.lost || this.full || this.pendingRead !== undefined) return false;
    return this.state === 'probe' ? !this.waiting : this.state === 'replicate' && !this.window.full;
  }

  /**
   * Notes that an append of entries up to `last` was sent; `last` is `next - 1` for an empty one.
   */
  sent(last: number, bytes: number): void {
    if (this.state === 'probe') this.waiting = true;
    else if (last >= this.#next) {
      this.window.add(last, bytes);
      this.#next = last + 1;
    }
  }

  /**
   * Notes that the peer holds the log up to `match`. Acknowledgements may be late or duplicated, so
   * `match` never decreases. A peer that waits for a snapshot keeps waiting until its log reaches
   * the leader's `base` (etcd-io/raft#110).
   */
  accepted(match: number, base: number): void {
    if (match > this.#match) this.#match = match;
    const waits = this.state === 'snapshot' && this.#match < base;
    if (this.state !== 'replicate' && !waits) this.#enter('replicate', this.#match + 1);
    else if (this.#next <= this.#match) this.#next = this.#match + 1;
    this.window.free(this.#match);
    this.#check();
  }

  /** Returns whether a stream belongs to this incarnation of the peer, not to an earlier one. */
  ownsStream(stream: number): boolean {
    return stream >= this.#firstStream && stream <= this.stream;
  }

  /**
   * Returns whether a rejection at `prevIndex` answers the current stream and, while probing, the
   * current probe.
   */
  isCurrent(stream: number, prevIndex: number): boolean {
    if (stream !== this.stream || prevIndex <= this.#match) return false;
    return this.state === 'replicate' || prevIndex === this.#next - 1;
  }

  /** Notes that the logs match at `index` at most. */
  rejected(prevIndex: number, index: number): void {
    this.stream = this.#drawStream();
    this.#enter('probe', Math.max(this.#match + 1, Math.min(prevIndex, index + 1)));
    this.#check();
  }

  needsSnapshot(): void {
    this.#enter('snapshot', this.#next);
  }

  /**
   * Notes a heartbeat reply. It shows that the link works, so an append without an answer since the
   * previous reply was lost, or the peer's disk is slow. Read rounds are heartbeats, too, and may
   * be frequent: at most one reply per half `interval` (milliseconds) counts.
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
