import type { Ballot, StoreLife } from '@kontiki/core';
import { readVitals, vitalsFlags, vitalsLength, writeVitals } from '@kontiki/core/store';
import { protocolError } from '@kontiki/core/wire';
import { LINK, readLink, writeLink, type Link } from './chain.js';
import { HEAD } from './keys.js';
import { seal, unseal } from './seal.js';

/**
 * A value that every batch of a log updates. It links to the newest block, term and membership,
 * each of which links to its predecessor. If a batch is lost while a later one survives, the links
 * reveal the loss. This does happen: LevelDB skips damaged records in the middle of its own log.
 */
export interface LogHead {
  readonly ballot: Ballot | undefined;
  readonly life: StoreLife | undefined;
  readonly last: number;
  readonly committed: number;
  readonly genesis: number | undefined;
  /** Number of times that the log has been reset. */
  readonly generation: number;
  /** The index of the base. The base itself is stored under a separate key. */
  readonly base: number;
  /** Links to the newest term and to the newest membership after the base. */
  readonly term: Link;
  readonly membership: Link;
  /** The checksum of the newest block of entries, or 0 before the first block of a generation. */
  readonly block: number;
}

/**
 * The size of a head in bytes, not including the vitals that follow it. Its fields are flags (1
 * byte), last, committed (8 each), genesis, generation (4 each), base (8), term link, membership
 * link (`LINK` each), and block (4).
 */
const FIXED = 1 + 3 * 8 + 2 * LINK + 3 * 4;

export function encodeHead(head: LogHead): Uint8Array {
  const { last, committed, genesis, generation, base, term, membership, block } = head;
  return seal(HEAD, FIXED + vitalsLength(head), (writer) => {
    writer.u8(vitalsFlags(head));
    writer.u53(last);
    writer.u53(committed);
    writer.u32(genesis ?? 0);
    writer.u32(generation);
    writer.u53(base);
    writeLink(writer, term);
    writeLink(writer, membership);
    writer.u32(block);
    writeVitals(writer, head);
  });
}

export function decodeHead(value: Uint8Array | undefined, where: string): LogHead {
  return unseal(HEAD, value, [where, 'the head of the log'], (reader) => {
    const flags = reader.u8();
    const [last, committed] = [reader.u53(), reader.u53()];
    const [genesis, generation] = [reader.u32() || undefined, reader.u32()];
    const [base, term, membership] = [reader.u53(), readLink(reader), readLink(reader)];
    const block = reader.u32();
    if (last < base) throw protocolError(`A log that begins after entry ${base} ends at entry ${last}.`);
    return { ...readVitals(reader, flags), last, committed, genesis, generation, base, term, membership, block };
  });
}
