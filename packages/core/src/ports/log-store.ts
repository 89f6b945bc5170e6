import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { StoreLife } from '../log/store-life.js';

/**
 * The owner of the data in a store. If the data belongs to a different owner, `open` rejects with
 * `KONTIKI_FOREIGN_DATA`.
 */
export interface Owner {
  /** The cluster's id, created by `createClusterId`. */
  readonly cluster: string;
  readonly server: ServerId;
}

/**
 * The position where a log starts. A snapshot covers everything up to and including this position.
 * An index and a term of 0 mean that there is no snapshot.
 */
export interface LogBase extends Base {
  /** The checksum of the cluster's first entry, which is no longer in the log. */
  readonly genesis: number | undefined;
}

/**
 * Bytes that `open` truncated from the end of a log, because a crash had left a partial write. None
 * of these bytes had been acknowledged.
 */
export interface Repair {
  /** The location of the truncated bytes, such as a file name, as shown to operators. */
  readonly where: string;
  /** Offset of the first truncated byte. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: string;
}

/**
 * A summary of a log, so that a server can start without reading all entries. All data in the
 * summary is durable.
 */
export interface LogState {
  readonly ballot: Ballot | undefined;
  /**
   * The store's identity and number of starts, as last written; undefined if they have never been
   * written. A reset keeps these values.
   */
  readonly life: StoreLife | undefined;
  readonly base: LogBase;
  /** The index of the last entry, or of the base if the log has no entries. */
  readonly last: number;
  /**
   * The first index of each term after the base, in ascending order. The base's term is not listed.
   */
  readonly terms: readonly Position[];
  /** The memberships after the base, in ascending order of index. */
  readonly memberships: readonly MembershipAt[];
  /** A commit index that this server once knew, at most `last`; 0 if none has been stored. */
  readonly committed: number;
  /** The checksum of the cluster's first entry (`genesisOf`); undefined while the log is blank. */
  readonly genesis: number | undefined;
  /** Bytes that `open` truncated. Empty after a clean stop. */
  readonly repairs: readonly Repair[];
}

/** One atomic write to a log. After a crash, either all or none of the write is durable. */
export interface LogWrite {
  readonly ballot?: Ballot | undefined;
  readonly life?: StoreLife | undefined;
  /**
   * Entries to append, contiguous and in ascending order of index. They start after the base, and
   * at most one index after the last entry. They replace every entry from `entries[0].index` on. If
   * the entries break these rules, the store rejects with `KONTIKI_INVARIANT` and leaves the log
   * unchanged.
   */
  readonly entries?: readonly Entry[] | undefined;
  /**
   * The current commit index, at most the last index after this write. A call that passes only a
   * commit index causes no write and no sync.
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
   * Opens or creates the log. Rewrites and syncs entries that may not have been synced before, and
   * then resolves. A closed log may be opened again.
   *
   * Rejects with `KONTIKI_FOREIGN_DATA` if the log belongs to another owner, and `KONTIKI_LOCKED`
   * if the log is already open. Rejects with `KONTIKI_CORRUPT` if the log is damaged, and
   * `KONTIKI_LOST_DATA` if the log ends before its commit index. Before it rejects, it releases all
   * resources that it opened.
   */
  open(owner: Owner): Promise<LogState>;
  /**
   * Writes a ballot, the store's identity and starts (`life`), entries, or several of these.
   * Resolves when they are durable. `entries` are not copied and must not change.
   */
  append(write: LogWrite): Promise<void>;
  /**
   * Discards every entry, because a snapshot that ends at `base` has replaced the log. Keeps the
   * ballot, and the store's identity and number of starts. Resolves when the change is durable.
   */
  reset(base: LogBase): Promise<void>;
  /**
   * Discards the entries up to and including `base.index`. These entries must be durable and
   * covered by a durable snapshot. The store may delete the entries later, and after a crash they
   * may still exist.
   */
  compact(base: LogBase): Promise<void>;
  /**
   * Resolves with the entries from `from` to `to` (inclusive) that fit into `maxBytes`, as counted
   * by `entryBytes`, but always at least one. Includes the effects of every earlier call, whether
   * durable or not. Rejects with `KONTIKI_COMPACTED` if `from` is at or before the base, even if
   * the log was compacted during the call. Any other error stops the server.
   */
  read(from: number, to: number, maxBytes: number): Promise<Entry[]>;
  /**
   * Sets the listener for a full disk. The store calls the listener with `true` when there is no
   * room for another log segment, and with `false` when there is room again.
   */
  onFull(listener: (full: boolean) => void): void;
  /**
   * Retires this log permanently, because its server has moved to another log. Every later `open`
   * rejects with `KONTIKI_MOVED` and a message that contains `where`. Calls in progress finish, and
   * later calls reject. Resolves when the change is durable. Rejects with `KONTIKI_BAD_OPTION`, and
   * leaves the log unchanged, if `where` is too long. After any other error, only the next `open`
   * shows whether the log is retired. A server whose store lacks this method cannot be moved to
   * another log.
   */
  retire?(where: string): Promise<void>;
  /**
   * Waits for the calls in progress, and then releases all resources. This method is idempotent.
   */
  close(): Promise<void>;
}
