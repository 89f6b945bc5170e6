import type { Ballot } from '../log/ballot.js';
import type { Entry } from '../log/entry.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { Message, SnapshotAck, SnapshotChunk, SnapshotOffer } from './message.js';

/** Messages by receiver, each list in the order it must be handed over in. */
export type Mail = ReadonlyMap<ServerId, readonly Message[]>;

/** One write of the server's single ordered stream of writes. */
export interface Write {
  /** Ascending by one; told back with `persisted`. */
  readonly number: number;
  readonly ballot: Ballot | undefined;
  /** Behind the ballot and before the entries: the log forgets everything, for a snapshot that ends here. */
  readonly reset: Base | undefined;
  readonly entries: readonly Entry[];
  /** The commit index as known now; worth keeping, never worth a write. */
  readonly committed: number;
}

/** Entries that a peer needs and that have left memory. Answered with `loaded`, by this very object. */
export interface PageRead {
  readonly peer: ServerId;
  readonly from: number;
  readonly to: number;
  readonly maxBytes: number;
}

/** What has to do with snapshots, which the protocol neither reads nor writes itself. */
export type SnapshotEvent =
  /** A peer of this leader needs one. Answered with `sendSnapshot` in this stream, until that says that it is over. */
  | { readonly kind: 'wanted'; readonly peer: ServerId; readonly stream: number }
  /** The leader offers one that this server needs, or sends a part of it. Answered with `acknowledgeSnapshot`, in the end with `install`. */
  | { readonly kind: 'offered'; readonly from: ServerId; readonly message: SnapshotOffer }
  | { readonly kind: 'arrived'; readonly from: ServerId; readonly message: SnapshotChunk }
  | { readonly kind: 'acknowledged'; readonly from: ServerId; readonly message: SnapshotAck };

/** Every read up to number `ticket` may be served once `index` is applied (thesis §6.4). */
export interface ReadsReady {
  readonly ticket: number;
  readonly index: number;
}

/** What an operator may want to know. None of it stops the server. */
export type Report =
  | { readonly kind: 'steppedDown'; readonly reason: 'higherTerm' | 'quorumSilent' | 'diskFull' }
  | { readonly kind: 'lateTimerForgiven' }
  | { readonly kind: 'blankVoter'; readonly peer: ServerId }
  | { readonly kind: 'secondLeader'; readonly peer: ServerId }
  | { readonly kind: 'divergedBelowCommit'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'ackBeyondLog'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'commitBeyondLog'; readonly peer: ServerId; readonly index: number }
  | { readonly kind: 'needsSnapshot'; readonly peer: ServerId };

/** What `Raft` wants done. Everything in it may be done at the same time, but for `afterWrite`. */
export interface Output {
  /** May leave at once, while `write` is under way. */
  readonly messages: Mail;
  readonly write: Write | undefined;
  /** Leave when this output's write, and every write before it, is durable: when `persisted(after)` is due. */
  readonly afterWrite: Mail;
  readonly after: number;
  readonly pageReads: readonly PageRead[];
  readonly reads: ReadsReady | undefined;
  readonly snapshots: readonly SnapshotEvent[];
  readonly reports: readonly Report[];
  /** Another turn should follow at once, with whatever has come by then. */
  readonly needsAnotherTurn: boolean;
}
