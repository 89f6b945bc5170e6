import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { StoreLife } from '../log/store-life.js';

/**
 * The owner of the data in a store. If the data belongs to another owner, `open` rejects with
 * `KONTIKI_FOREIGN_DATA`.
 */
export interface Owner {
  /** The cluster's id, from `createClusterId`. */
  readonly cluster: string;
  readonly server: ServerId;
}

/**
 * The position where a log begins. A snapshot covers everything up to and including this position.
 * At index 0, term 0 there is no snapshot.
 */
export interface LogBase extends Base {
  /** The checksum of the cluster's first entry, which is no longer in the log. */
  readonly genesis: number | undefined;
}

/**
 * Bytes that `open` truncated from the end of a log after a crash left a partial write. None of
 * these bytes had been acknowledged.
 */
export interface Repair {
  /** The location of the truncated bytes for an operator, such as a file name. */
  readonly where: string;
  /** Offset of the first truncated byte. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: string;
}

/** A summary of a log, all of it durable. It lets a server start without reading all entries. */
export interface LogState {
  readonly ballot: Ballot | undefined;
  /** The newest life that was written; undefined if none was. Survives a reset. */
  readonly life: StoreLife | undefined;
  readonly base: LogBase;
  /** Index of the last entry, or of the base if the log has no entries. */
  readonly last: number;
  /** The first index of each term above the base, ascending. The base's own term is not listed. */
  readonly terms: readonly Position[];
  /** The memberships above the base, in ascending order of their index. */
  readonly memberships: readonly MembershipAt[];
  /** A commit index that this server has known, at most `last`; 0 if none was stored. */
  readonly committed: number;
  /** The checksum of the cluster's first entry (`genesisOf`); undefined while the log is blank. */
  readonly genesis: number | undefined;
  /** Bytes that `open` truncated; empty after a clean stop. */
  readonly repairs: readonly Repair[];
}

/** One atomic write: after a crash, either all or none of it is durable. */
export interface LogWrite {
  readonly ballot?: Ballot | undefined;
  readonly life?: StoreLife | undefined;
  /**
   * Entries to append. They are contiguous and ascending, and start above the base and at most one
   * past the last index. They replace every entry from `entries[0].index` on. The store rejects
   * other entries with `KONTIKI_INVARIANT` and leaves the log unchanged.
   */
  readonly entries?: readonly Entry[] | undefined;
  /**
   * The current commit index, at most the last index after this write. A call with only a commit
   * index causes no write and no sync.
   */
  readonly committed?: number | undefined;
}

/**
 * Stores the log and the ballot of one server. Calls may overlap. `append` and `reset` take effect,
 * become durable and resolve in call order. Each call is atomic. After a crash the log reflects a
 * prefix of the calls, which includes every resolved call.
 *
 * If a write or sync fails, that call and every later call reject with `KONTIKI_STORE_FAILED`. A
 * store never retries a failed sync. Before `open` and after `close`, calls reject with
 * `KONTIKI_CLOSED`.
 */
export interface LogStore {
  /**
   * Opens or creates the log. Rewrites and syncs entries that may not have been synced before, then
   * resolves. A closed log may be opened again. Rejects with `KONTIKI_FOREIGN_DATA` if the log
   * belongs to another owner, and `KONTIKI_LOCKED` if it is already open. Rejects with
   * `KONTIKI_CORRUPT` if it is damaged, and `KONTIKI_LOST_DATA` if it ends before its commit index.
   * When it rejects, it has released whatever it had opened.
   */
  open(owner: Owner): Promise<LogState>;
  /**
   * Writes a ballot, a life, entries or several of these, and resolves when they are durable.
   * `entries` are not copied and must not change.
   */
  append(write: LogWrite): Promise<void>;
  /**
   * Discards every entry, because a snapshot that ends at `base` replaces the log. Keeps the
   * ballot and the life. Resolves when the change is durable.
   */
  reset(base: LogBase): Promise<void>;
  /**
   * Discards the entries up to and including `base.index`. They must be durable and covered by a
   * durable snapshot. The store may delete them later, and after a crash they may still exist.
   */
  compact(base: LogBase): Promise<void>;
  /**
   * Resolves with the entries from `from` to `to` (inclusive) that fit into `maxBytes`, as counted
   * by `entryBytes`, but with at least one. Sees the effects of every earlier call, durable or not.
   * Rejects with `KONTIKI_COMPACTED` if `from` is at or below the base, even if it was compacted
   * during the call. The server stops on any other error.
   */
  read(from: number, to: number, maxBytes: number): Promise<Entry[]>;
  /**
   * Sets the listener for a full disk. It is called with `true` when there is no room for another
   * log segment, and with `false` when there is room again.
   */
  onFull(listener: (full: boolean) => void): void;
  /**
   * Retires this log permanently, because its server has moved to another log. Every later `open`
   * rejects with `KONTIKI_MOVED` and a message that contains `where`. Earlier calls finish, and
   * later calls reject. Resolves when the change is durable. Rejects with `KONTIKI_BAD_OPTION`, and
   * leaves the log unchanged, if `where` is too long. After any other error only the next `open`
   * shows whether the log is retired. A server cannot move away from a store that lacks this
   * method.
   */
  retire?(where: string): Promise<void>;
  /** Waits for the calls in progress, then releases all resources. Idempotent. */
  close(): Promise<void>;
}
