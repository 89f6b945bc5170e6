import type { Membership } from './membership.js';

/**
 * A position in the log: the index of an entry, and the term of the leader that created the entry.
 * The position before the first entry has index 0 and term 0.
 */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/** The position up to which entries are applied, and the log time of the last of them. */
export interface AppliedPosition extends Position {
  /** Milliseconds of log time (see `LogClock`); 0 before the first entry with a log time. */
  readonly time: number;
}

/** The fields that all kinds of entries have. */
interface StampedEntry extends Position {
  /**
   * The log time in milliseconds at which a leader appended the entry (see `LogClock`). Undefined
   * if the cluster's feature level was below 2.
   */
  readonly time?: number | undefined;
}

/**
 * An entry that contains a proposed command. The command is an opaque byte array. The state machine
 * applies it once the entry is committed.
 */
export interface CommandEntry extends StampedEntry {
  readonly kind: 'command';
  readonly data: Uint8Array;
}

/**
 * The empty entry that a new leader appends, so that it can commit entries from earlier terms (Raft
 * §5.4.2, §8).
 */
export interface NoopEntry extends StampedEntry {
  readonly kind: 'noop';
}

/**
 * An entry that contains a membership. A server uses the membership as soon as it has appended the
 * entry (Raft §6).
 */
export interface MembershipEntry extends StampedEntry {
  readonly kind: 'membership';
  readonly membership: Membership;
}

/**
 * An entry of the replicated log. Entries are immutable, because one object is shared by the code
 * that sends, stores and applies it.
 */
export type Entry = CommandEntry | NoopEntry | MembershipEntry;

/**
 * Estimated overhead of an entry in bytes, in memory and on the wire, in addition to its payload.
 * Because of this overhead, even empty entries count toward limits.
 */
const ENTRY_OVERHEAD = 64;

/** Returns the number of bytes by which a command of this length counts toward limits. */
export function commandBytes(length: number): number {
  return ENTRY_OVERHEAD + length;
}

/** Returns the number of bytes by which an entry counts toward limits. */
export function entryBytes(entry: Entry): number {
  switch (entry.kind) {
    case 'command':
      return commandBytes(entry.data.length);
    case 'noop':
      return ENTRY_OVERHEAD;
    case 'membership': {
      let bytes = ENTRY_OVERHEAD;
      for (const { address, metadata } of entry.membership.servers.values()) {
        bytes += ENTRY_OVERHEAD + address.length + metadata.length;
      }
      return bytes;
    }
  }
}
