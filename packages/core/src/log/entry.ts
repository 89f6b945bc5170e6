import type { Membership } from './membership.js';

/**
 * A position in the log: the index of an entry and the term of the leader that created it. Index 0,
 * term 0 is the position before the first entry.
 */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/**
 * A command that a caller proposed: opaque bytes, which the state machine applies once they are
 * committed.
 */
export interface CommandEntry extends Position {
  readonly kind: 'command';
  readonly data: Uint8Array;
}

/**
 * The empty entry that a new leader appends, so that it can commit entries of earlier terms (Raft
 * §5.4.2, §8).
 */
export interface NoopEntry extends Position {
  readonly kind: 'noop';
}

/** A membership. It is in force on each server from the moment it is appended there (Raft §6). */
export interface MembershipEntry extends Position {
  readonly kind: 'membership';
  readonly membership: Membership;
}

/** An entry of the replicated log. It is immutable: the same object is sent, stored and applied. */
export type Entry = CommandEntry | NoopEntry | MembershipEntry;

/**
 * The cost of an entry in addition to its payload, in memory and on the wire. A round figure, so
 * that empty entries are not free.
 */
const ENTRY_OVERHEAD = 64;

/** Returns the bytes that a command of this length counts against every limit. */
export function commandBytes(length: number): number {
  return ENTRY_OVERHEAD + length;
}

/** Returns the bytes that an entry counts against every limit. */
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
