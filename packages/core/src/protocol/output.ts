import type { Ballot } from '../log/ballot.js';
import type { Entry } from '../log/entry.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { Message, SnapshotAck, SnapshotChunk, SnapshotOffer } from './message.js';

/** Messages by receiver, each list in sending order. */
export type Mail = ReadonlyMap<ServerId, readonly Message[]>;

/** One write of the server's single ordered stream of writes. */
export interface Write {
  /** Ascends by one. `RawNode.written` reports it back. */
  readonly number: number;
  readonly ballot: Ballot | undefined;
  /**
   * After the ballot and before the entries: discard the whole log, because a snapshot that ends
   * here replaces it.
   */
  readonly reset: Base | undefined;
  readonly entries: readonly Entry[];
  /** The current commit index. Worth storing, but never worth a write of its own. */
  readonly committed: number;
}

/**
 * A page read: a request for entries that a peer needs and that have left memory. The protocol is
 * synchronous and cannot wait for a disk. So it names the entries in its output, continues without
 * them, and sends them when `RawNode.pageRead` returns them with this object. If the peer's progress
 * has changed by then, the page is dropped.
 */
export interface PageRead {
  readonly peer: ServerId;
  readonly from: number;
  readonly to: number;
  readonly maxBytes: number;
}

/**
 * An event for the node's snapshot code. The protocol itself neither reads nor writes snapshots.
 */
export type SnapshotEvent =
  /**
   * A peer of this leader needs a snapshot. Answered by `sendSnapshot` in this stream, until that
   * returns false.
   */
  | { readonly kind: 'wanted'; readonly peer: ServerId; readonly stream: number }
  /**
   * The leader offers a snapshot that this server needs, or sends a chunk. Answered by
   * `acknowledgeSnapshot`, and finally by `install`.
   */
  | { readonly kind: 'offered'; readonly from: ServerId; readonly message: SnapshotOffer }
  | { readonly kind: 'arrived'; readonly from: ServerId; readonly message: SnapshotChunk }
  | { readonly kind: 'acknowledged'; readonly from: ServerId; readonly message: SnapshotAck };

/**
 * Says that every read up to number `ticket` may be served once `index` is applied (thesis §6.4).
 */
export interface ReadsReady {
  readonly ticket: number;
  readonly index: number;
}

/** An observation for the operator. None of them stops the server. */
export type Report =
  | { readonly kind: 'steppedDown'; readonly reason: 'higherTerm' | 'quorumSilent' | 'diskFull' }
  | { readonly kind: 'lateTimerForgiven' }
  | { readonly kind: 'blankVoter'; readonly peer: ServerId }
  | { readonly kind: 'secondLeader'; readonly peer: ServerId }
  | { readonly kind: 'divergedBelowCommit'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'ackBeyondLog'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'commitBeyondLog'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'needsSnapshot'; readonly peer: ServerId };

/**
 * Everything that `Raft` wants done. All of it may be done in parallel, except for `afterWrite`.
 */
export interface Output {
  /** Messages that may leave at once, in parallel with `write`. */
  readonly messages: Mail;
  readonly write: Write | undefined;
  /**
   * Messages that may leave only when write number `after`, and every write before it, is durable.
   */
  readonly afterWrite: Mail;
  readonly after: number;
  readonly pageReads: readonly PageRead[];
  readonly reads: ReadsReady | undefined;
  readonly snapshots: readonly SnapshotEvent[];
  readonly reports: readonly Report[];
  /** Whether another turn should follow soon, with whatever has arrived by then. */
  readonly needsAnotherTurn: boolean;
}
