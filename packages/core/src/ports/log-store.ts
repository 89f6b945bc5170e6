import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';

/** Whose data a store holds. Data of another owner is refused with `KONTIKI_FOREIGN_DATA`. */
export interface Owner {
  /** The cluster's id, from `createClusterId`. */
  readonly cluster: string;
  readonly server: ServerId;
}

/** Where a log begins: everything up to and including this position is in a snapshot, or never was (index 0, term 0). */
export interface LogBase extends Base {
  /** The checksum of the cluster's first entry, once that entry itself is gone. */
  readonly genesis: number | undefined;
}

/** What `open` cut from the end of a log that a crash had torn. Nothing of it had been acknowledged. */
export interface Repair {
  /** Where, for a person: a file, say. */
  readonly where: string;
  /** First byte that was cut, and how many. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: string;
}

/** What a log holds, told once at start so that nobody need read it through. All of it is durable. */
export interface LogState {
  readonly ballot: Ballot | undefined;
  readonly base: LogBase;
  /** Index of the last entry; the base's when there is none. */
  readonly last: number;
  /** The first index of each term that begins above the base, ascending: entries of the base's own term need none. */
  readonly terms: readonly Position[];
  /** The memberships held above the base, ascending by index. */
  readonly memberships: readonly MembershipAt[];
  /** A commit index this server once knew, at most `last`; 0 when unknown. */
  readonly committed: number;
  /** The checksum of the cluster's first entry (`originOf`); undefined while the log is blank. */
  readonly genesis: number | undefined;
  /** What was cut while opening; empty after a clean stop. */
  readonly repairs: readonly Repair[];
}

/** One write: durable as a whole or not at all. */
export interface LogWrite {
  readonly ballot?: Ballot | undefined;
  /**
   * Contiguous, ascending, beginning above the base and at most one past the last index; others are refused with
   * `KONTIKI_INVARIANT` and change nothing. They replace every entry from `entries[0].index` on.
   */
  readonly entries?: readonly Entry[] | undefined;
  /** The commit index as known now, at most the last index after this write. Alone it causes no write and no sync. */
  readonly committed?: number | undefined;
}

/**
 * The log and the ballot of one server. Calls may overlap; `append` and `reset` take effect, become durable and resolve
 * in call order. A crash leaves a prefix of the calls, every resolved one included, each whole or absent. After the
 * first failed write or sync that call and every later one fail with `KONTIKI_STORE_FAILED`: a store never tries a failed
 * sync again. Before `open` and after `close` they fail with `KONTIKI_CLOSED`.
 */
export interface LogStore {
  /**
   * Opens, or begins, the log. Entries above the last proven sync are written again and synced before it resolves.
   * Callable again after `close`. Refuses the data of another owner (`KONTIKI_FOREIGN_DATA`), what is open already
   * (`KONTIKI_LOCKED`), what is damaged (`KONTIKI_CORRUPT`) and what ends before its commit index (`KONTIKI_LOST_DATA`).
   */
  open(owner: Owner): Promise<LogState>;
  /** Resolves when the write is durable. `entries` are not copied and must not change. */
  append(write: LogWrite): Promise<void>;
  /** Forgets every entry and keeps the ballot: a snapshot that ends at `base` replaces the log. Resolves when durable. */
  reset(base: LogBase): Promise<void>;
  /** Forgets the entries up to and including `base.index`, which must be held, durable and in a durable snapshot. At leisure; a crash may undo it. */
  compact(base: LogBase): Promise<void>;
  /**
   * Entries `from` to `to`, both included, of those that fit into `maxBytes` (counted by `entryBytes`), at least one.
   * Sees every earlier call, durable or not. `KONTIKI_COMPACTED` when `from` is at or below the base, also when it was
   * compacted meanwhile; any other failure is fatal to the server.
   */
  read(from: number, to: number, maxBytes: number): Promise<Entry[]>;
  /** Tells when the disk has no room for another segment, and when it has again. Replaces the listener set before. */
  onFull(listener: (full: boolean) => void): void;
  /**
   * Ends the life of this log for good, because its server has moved to another: every later `open` is refused with
   * `KONTIKI_MOVED`, whose message has `where` in it: all of it, or the call is refused (`KONTIKI_BAD_OPTION`) and changes
   * nothing. Calls before it end as ever, later ones fail. Resolves when durable; when it fails, only the next `open` tells
   * whether it came to be. A store that has none cannot be moved from.
   */
  retire?(where: string): Promise<void>;
  /** Waits for the calls under way, then lets go of everything. Idempotent. */
  close(): Promise<void>;
}
