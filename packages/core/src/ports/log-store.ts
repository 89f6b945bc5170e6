import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';

/**
 * The owner of the data in a store. A store refuses the data of another owner with
 * `KONTIKI_FOREIGN_DATA`.
 */
export interface Owner {
  /** The cluster's id, from `createClusterId`. */
  readonly cluster: string;
  readonly server: ServerId;
}

/**
 * The position where a log begins. Everything up to and including it is in a snapshot; at index 0,
 * term 0 nothing is.
 */
export interface LogBase extends Base {
  /** The checksum of the cluster's first entry, which the log no longer holds. */
  readonly genesis: number | undefined;
}

/**
 * Bytes that `open` truncated from the end of a log that a crash had torn. None of them had been
 * acknowledged.
 */
export interface Repair {
  /** The location for an operator, such as a file name. */
  readonly where: string;
  /** Offset of the first truncated byte, and the number of bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: string;
}

/** A summary of a log, so that a start need not read all entries. Everything in it is durable. */
export interface LogState {
  readonly ballot: Ballot | undefined;
  readonly base: LogBase;
  /** Index of the last entry; the base's index if there is none. */
  readonly last: number;
  /**
   * The first index of each term above the base, ascending. A term that continues from the base has
   * no entry here.
   */
  readonly terms: readonly Position[];
  /** The memberships above the base, ascending by index. */
  readonly memberships: readonly MembershipAt[];
  /** A commit index that this server knew at some time, at most `last`; 0 if unknown. */
  readonly committed: number;
  /** The checksum of the cluster's first entry (`genesisOf`); undefined while the log is blank. */
  readonly genesis: number | undefined;
  /** What `open` truncated; empty after a clean stop. */
  readonly repairs: readonly Repair[];
}

/** One write, which becomes durable as a whole or not at all. */
export interface LogWrite {
  readonly ballot?: Ballot | undefined;
  /**
   * Contiguous and ascending, starting above the base and at most one past the last index. Other
   * entries are refused with `KONTIKI_INVARIANT`, and nothing changes. They replace every entry
   * from `entries[0].index` on.
   */
  readonly entries?: readonly Entry[] | undefined;
  /**
   * The current commit index, at most the last index after this write. On its own it causes no
   * write and no sync.
   */
  readonly committed?: number | undefined;
}

/**
 * The log and the ballot of one server. Calls may overlap. `append` and `reset` take effect, become
 * durable and resolve in call order. A crash leaves a prefix of the calls that includes every
 * resolved one, and each call is there as a whole or not at all.
 *
 * After the first failed write or sync, that call and every later one fail with
 * `KONTIKI_STORE_FAILED`: a store never repeats a failed sync. Before `open` and after `close`,
 * calls fail with `KONTIKI_CLOSED`.
 */
export interface LogStore {
  /**
   * Opens the log, or creates it. Entries that no sync is known to cover are written again and
   * synced before this resolves. May be called again after `close`. Rejects with
   * `KONTIKI_FOREIGN_DATA` for another owner's log, `KONTIKI_LOCKED` if it is open already,
   * `KONTIKI_CORRUPT` if it is damaged, and `KONTIKI_LOST_DATA` if it ends before its commit index.
   * When it rejects, it has released whatever it had opened.
   */
  open(owner: Owner): Promise<LogState>;
  /** Resolves when the write is durable. `entries` are not copied and must not change. */
  append(write: LogWrite): Promise<void>;
  /**
   * Discards every entry and keeps the ballot, because a snapshot that ends at `base` replaces the
   * log. Resolves when durable.
   */
  reset(base: LogBase): Promise<void>;
  /**
   * Discards the entries up to and including `base.index`, which must be durable and in a durable
   * snapshot. The store may do it later, and a crash may undo it.
   */
  compact(base: LogBase): Promise<void>;
  /**
   * Resolves with the entries from `from` to `to` (inclusive) that fit into `maxBytes`, counted by
   * `entryBytes`, but at least one. Sees every earlier call, durable or not. Rejects with
   * `KONTIKI_COMPACTED` if `from` is at or below the base, even if it was compacted during the
   * call. Any other failure is fatal to the server.
   */
  read(from: number, to: number, maxBytes: number): Promise<Entry[]>;
  /**
   * Sets the listener that is called when the disk has no room for another segment, and when it has
   * room again.
   */
  onFull(listener: (full: boolean) => void): void;
  /**
   * Retires this log for good, because its server has moved to another log. Every later `open`
   * rejects with `KONTIKI_MOVED`, and the message contains `where`. Rejects with
   * `KONTIKI_BAD_OPTION`, and changes nothing, if `where` is too long. Earlier calls finish, later
   * calls fail. Resolves when durable. If it fails, only the next `open` shows whether the log is
   * retired. A server cannot move away from a store without this method.
   */
  retire?(where: string): Promise<void>;
  /** Waits for the calls in progress, then releases everything. Idempotent. */
  close(): Promise<void>;
}
