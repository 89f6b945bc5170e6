import type { Ballot } from '../log/ballot.js';
import type { Entry } from '../log/entry.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type {
  Delegate,
  DelegateReply,
  Message,
  ProposeReply,
  SnapshotAck,
  SnapshotChunk,
  SnapshotOffer,
} from './message.js';

/** Messages grouped by receiver, in sending order. */
export type Mail = ReadonlyMap<ServerId, readonly Message[]>;

/** A write to the log store. Writes must take effect in order. */
export interface Write {
  /**
   * The number of the write. Writes are numbered consecutively. The driver passes this number to
   * `RawNode.written` when the write is durable.
   */
  readonly number: number;
  readonly ballot: Ballot | undefined;
  /**
   * The new base of the log, if a snapshot has replaced the log. In that case, discard the whole
   * log after writing the ballot and before appending the entries.
   */
  readonly reset: Base | undefined;
  readonly entries: readonly Entry[];
  /** The current commit index. A change to the commit index alone causes no write. */
  readonly committed: number;
}

/**
 * A page read: a request for entries that a peer needs but that are no longer in memory. The
 * protocol is synchronous and cannot wait for a disk. So it requests the entries in its output and
 * continues. The driver passes the entries and this object to `RawNode.pageRead`. The protocol then
 * sends the entries, unless the peer's progress has changed in the meantime.
 */
export interface PageRead {
  readonly peer: ServerId;
  readonly from: number;
  readonly to: number;
  readonly maxBytes: number;
}

/**
 * An event that the node's snapshot code handles. The protocol itself neither reads nor writes
 * snapshots.
 */
export type SnapshotEvent =
  /**
   * A peer of this leader needs a snapshot. The node calls `sendSnapshot` for this stream until it
   * returns false.
   */
  | { readonly kind: 'wanted'; readonly peer: ServerId; readonly stream: number }
  /**
   * The leader offers a snapshot that this server needs, or sends a chunk of it. The node answers
   * with `acknowledgeSnapshot`, and calls `install` when the snapshot is complete.
   */
  | { readonly kind: 'offered'; readonly from: ServerId; readonly message: SnapshotOffer }
  | { readonly kind: 'arrived'; readonly from: ServerId; readonly message: SnapshotChunk }
  | { readonly kind: 'acknowledged'; readonly from: ServerId; readonly message: SnapshotAck };

/** A call that another server has delegated to this leader, or a reply to a call of this server. */
export type DelegateEvent =
  | { readonly from: ServerId; readonly message: Delegate }
  | { readonly from: ServerId; readonly message: DelegateReply };

/**
 * Confirmed reads. Every read with a number up to `ticket` may be served once the entries up to
 * `index` have been applied (thesis §6.4).
 */
export interface ReadsReady {
  readonly ticket: number;
  readonly index: number;
}

/** Something that an operator should know. Reports do not stop the server. */
export type Report =
  | {
      readonly kind: 'steppedDown';
      readonly reason: 'higherTerm' | 'quorumSilent' | 'diskFull' | 'diskStalled' | 'removed';
    }
  | { readonly kind: 'lateTimerForgiven' }
  | { readonly kind: 'blankVoter'; readonly peer: ServerId }
  | { readonly kind: 'otherStore'; readonly peer: ServerId }
  | { readonly kind: 'restoredCopy'; readonly peer: ServerId }
  | { readonly kind: 'clonedStore'; readonly peer: ServerId }
  | { readonly kind: 'secondLeader'; readonly peer: ServerId }
  | { readonly kind: 'ackBeyondLog'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'needsSnapshot'; readonly peer: ServerId }
  | { readonly kind: 'transferFailed'; readonly peer: ServerId }
  | { readonly kind: 'unreadable'; readonly index: number; readonly reason: string }
  | { readonly kind: 'lowLevel'; readonly peer: ServerId; readonly level: number; readonly needed: number };

/**
 * All work that `Raft` requests in one turn. The driver may do this work in parallel, except that
 * the messages in `afterWrite` must wait for the write that they depend on.
 */
export interface Output {
  /** Messages to send immediately, in parallel with `write`. */
  readonly messages: Mail;
  readonly write: Write | undefined;
  /** Messages to send once the write with number `after` and all earlier writes are durable. */
  readonly afterWrite: Mail;
  readonly after: number;
  readonly pageReads: readonly PageRead[];
  readonly reads: ReadsReady | undefined;
  /** The leader's answers to forwarded proposals. */
  readonly forwarded: readonly ProposeReply[];
  readonly delegated: readonly DelegateEvent[];
  readonly snapshots: readonly SnapshotEvent[];
  readonly reports: readonly Report[];
  /** Whether another turn should follow soon, even if no input arrives. */
  readonly needsAnotherTurn: boolean;
}
