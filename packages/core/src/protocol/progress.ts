import { invariant } from '../invariant.js';
import type { PageRead } from './output.js';
import { Window } from './window.js';
import type { Limits } from './settings.js';

/**
 * How entries travel to a peer. `probe`: one append at a time, to find where the logs agree. `replicate`: a stream
 * within a window. `snapshot`: the log no longer holds what the peer needs.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** What a leader knows of one life of a peer. match < next. */
export class Progress {
  /**
   * The number of this stream of appends. A rejection ends the stream and begins another one, so that the rejections of
   * what was sent behind the rejected append don't each begin it again; acknowledgements of earlier streams still count.
   */
  stream: number;
  readonly #firstStream: number;
  readonly #drawStream: () => number;
  readonly window: Window;
  state: ProgressState = 'probe';
  /** The peer's incarnation, once it has answered; 0 before. */
  incarnation = 0;
  /** Milliseconds: when it last answered. */
  lastActive: number;
  /** The newest read round it has answered. */
  round = 0;
  /** The commit index it was last told. */
  committedSent = 0;
  /** The commit index that it is to be told of if nothing else tells it. */
  unannounced = 0;
  /** It has no room on its disk: it gets no entries. */
  full = false;
  /** A voter that holds nothing has lost its disk; it counts for nothing and is fed nothing. */
  lost = false;
  /** While probing: an append is on its way. */
  waiting = false;
  /** The window made no progress for a heartbeat: ask where the peer stands. */
  nudge = false;
  pendingRead: PageRead | undefined;
  #match = 0;
  #next: number;
  #matchAtBeat = 0;
  #beatAt = -Infinity;

  /** `drawStream`: numbers that no other progress of this leader has. */
  constructor(drawStream: () => number, next: number, now: number, limits: Limits) {
    this.#drawStream = drawStream;
    this.#firstStream = this.stream = drawStream();
    this.#next = next;
    this.lastActive = now;
    this.window = new Window(limits.windowMessages, limits.windowBytes);
  }

  /** The peer's log is the leader's up to here, durably. 0 until it has said so. */
  get match(): number {
    return this.#match;
  }

  /** The next entry to send. */
  get next(): number {
    return this.#next;
  }

  /** Whether another append may leave. */
  get ready(): boolean {
    if (this.lost || this.full || this.pendingRead !== undefined) return false;
    return this.state === 'probe' ? !this.waiting : this.state === 'replicate' && !this.window.full;
  }

  /** An append of entries up to `last` leaves; `last` is `next - 1` when it has none. */
  sent(last: number, bytes: number): void {
    if (this.state === 'probe') this.waiting = true;
    else if (last >= this.#next) {
      this.window.add(last, bytes);
      this.#next = last + 1;
    }
  }

  /**
   * The peer holds the log up to `match`. Acknowledgements may come late and twice: nothing goes back. A peer that waits
   * for a snapshot goes on waiting until what it holds reaches the leader's `base` (etcd-io/raft#110).
   */
  accepted(match: number, base: number): void {
    if (match > this.#match) this.#match = match;
    const waits = this.state === 'snapshot' && this.#match < base;
    if (this.state !== 'replicate' && !waits) this.#enter('replicate', this.#match + 1);
    else if (this.#next <= this.#match) this.#next = this.#match + 1;
    this.window.free(this.#match);
    this.#check();
  }

  /** Whether an answer of this stream is about this life of the peer, not about one before it. */
  knows(stream: number): boolean {
    return stream >= this.#firstStream && stream <= this.stream;
  }

  /** Whether a rejection of the entry at `prevIndex` is an answer to the present stream, and to the last thing asked when probing. */
  isCurrent(stream: number, prevIndex: number): boolean {
    if (stream !== this.stream || prevIndex <= this.#match) return false;
    return this.state === 'replicate' || prevIndex === this.#next - 1;
  }

  /** The logs can agree at `index` at the most. */
  rejected(prevIndex: number, index: number): void {
    this.stream = this.#drawStream();
    this.#enter('probe', Math.max(this.#match + 1, Math.min(prevIndex, index + 1)));
    this.#check();
  }

  needsSnapshot(): void {
    this.#enter('snapshot', this.#next);
  }

  /**
   * A heartbeat was answered, so the link works: what got no answer since the last one was lost, or the peer's disk is
   * slow. Read rounds are heartbeats too, and may be many: one in half an `interval` (milliseconds) counts.
   */
  beat(now: number, interval: number): void {
    if (now - this.#beatAt < interval / 2) return;
    this.#beatAt = now;
    this.waiting = false;
    if (this.state === 'replicate') this.nudge = this.window.size > 0 && this.#matchAtBeat === this.#match;
    this.#matchAtBeat = this.#match;
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
