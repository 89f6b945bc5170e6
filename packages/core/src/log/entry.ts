import type { Membership } from './membership.js';

/** A place in the log: the index of an entry and the term of the leader that created it. Index 0, term 0 is the place before the first entry. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/** What a caller proposed: opaque bytes, handed to the state machine once committed. */
export interface CommandEntry extends Position {
  readonly kind: 'command';
  readonly data: Uint8Array;
}

/** The empty entry a leader appends when elected, so that it can commit what earlier terms left (Raft §5.4.2, §8). */
export interface NoopEntry extends Position {
  readonly kind: 'noop';
}

/** A membership, in force on each server from the moment it is appended there (Raft §6). */
export interface MembershipEntry extends Position {
  readonly kind: 'membership';
  readonly membership: Membership;
}

/** One place of the replicated log and what stands there. Immutable: the same object is sent, stored and applied. */
export type Entry = CommandEntry | NoopEntry | MembershipEntry;

/** What an entry costs beside its payload, in memory and on the wire; a round figure that keeps empty entries from being free. */
const ENTRY_OVERHEAD = 64;

/** Bytes a command of so many bytes is counted as. */
export function commandBytes(length: number): number {
  return ENTRY_OVERHEAD + length;
}

/** Bytes an entry is counted as, against every limit. */
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
