import { KontikiError } from '../errors.js';
import { isId } from '../id.js';
import type { SnapshotMeta } from '../ports/snapshot-store.js';
import { crc32 } from './crc32.js';
import { membershipLength, readMembership, writeMembership } from './membership.js';
import { protocolError, Reader } from './reader.js';
import { textLength, Writer } from './writer.js';

/**
 * The beginning of a snapshot: "KONTISNP" (8 bytes), version (1), compression (1, 0 for none), flags (2, none yet), bytes
 * of the head (4), id (16), index and term of the last entry (8 each), index of the membership (8), genesis (4), version of
 * the state machine (8), cluster, membership, checksum of all that (4). docs/snapshot-format.md says the same in more words.
 */
const MAGIC = new TextEncoder().encode('KONTISNP');
const VERSION = 1;
/** Up to the length, which every version has in the same place. */
export const HEAD_PREFIX = 16;
const FIXED = HEAD_PREFIX + 52;
const CHECKSUM = 4;
const ID = /^[0-9a-f]{32}$/;

/** No head is longer: 64 KiB. */
export const MAX_SNAPSHOT_HEAD: number = 64 * 1024;

/** What the head of a snapshot says. */
export interface SnapshotHead extends SnapshotMeta {
  /** How the state is compressed: 0, not at all; 1, gzip; others are the application's. */
  readonly compression: number;
  /** Bytes of the head: where the first chunk begins. */
  readonly length: number;
}

/** A snapshot cannot be read: `offset` is that of the part that is damaged, from the beginning of the snapshot. */
export function corruptSnapshot(offset: number, what: string, cause?: unknown): KontikiError {
  return new KontikiError('KONTIKI_CORRUPT', `The snapshot is damaged at byte ${offset}: ${what}.`, { cause });
}

/** What is wrong with a meta, in a sentence's words; undefined when nothing is. */
function metaFault({ id, cluster, last, membership }: SnapshotMeta): string | undefined {
  if (!ID.test(id)) return `${JSON.stringify(id)} is no id of 32 hexadecimal digits`;
  if (!isId(cluster)) return `${JSON.stringify(cluster)} is no cluster id`;
  if (last.index === 0 || last.term === 0) return `it ends at entry ${last.index} of term ${last.term}`;
  if (membership.index === 0 || membership.index > last.index) {
    return `its membership is that of entry ${membership.index}, and it ends at ${last.index}`;
  }
  return undefined;
}

export function encodeSnapshotHead(meta: SnapshotMeta, compression = 0): Uint8Array {
  const { id, cluster, last, membership, genesis, version } = meta;
  const fault = metaFault(meta);
  if (fault !== undefined) throw protocolError(`A snapshot cannot be written: ${fault}.`);
  const length = FIXED + textLength(cluster) + membershipLength(membership.membership) + CHECKSUM;
  const writer = new Writer(length);
  writer.raw(MAGIC);
  writer.u8(VERSION);
  writer.u8(compression);
  writer.u16(0);
  writer.u32(length);
  for (let at = 0; at < id.length; at += 2) writer.u8(Number.parseInt(id.slice(at, at + 2), 16));
  writer.u53(last.index);
  writer.u53(last.term);
  writer.u53(membership.index);
  writer.u32(genesis);
  writer.u53(version);
  writer.text(cluster);
  writeMembership(writer, membership.membership);
  writer.u32(crc32(writer.bytes.subarray(0, length - CHECKSUM)));
  return writer.bytes;
}

/** Bytes of the head whose first 16 bytes these are: not trusted, but possible. */
export function snapshotHeadLength(prefix: Uint8Array): number {
  if (prefix.length < HEAD_PREFIX) throw corruptSnapshot(0, `only ${prefix.length} bytes are there`);
  if (!MAGIC.every((byte, i) => byte === prefix[i])) throw corruptSnapshot(0, 'it does not begin as a snapshot does');
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(12, true);
  if (length < FIXED + CHECKSUM || length > MAX_SNAPSHOT_HEAD) {
    throw corruptSnapshot(12, `its head cannot have ${length} bytes`);
  }
  return length;
}

/**
 * The head that `bytes` begin with; what follows it is not looked at, so the first `MAX_SNAPSHOT_HEAD` bytes of a snapshot
 * always do. `KONTIKI_CORRUPT` when it is damaged, `KONTIKI_FORMAT` when it is whole and a newer version wrote it.
 */
export function readSnapshotHead(bytes: Uint8Array): SnapshotHead {
  const length = snapshotHeadLength(bytes);
  if (length > bytes.length) throw corruptSnapshot(bytes.length, `its head of ${length} bytes ends here`);
  const reader = new Reader(bytes.subarray(0, length));
  const checksum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(length - CHECKSUM, true);
  if (checksum !== crc32(bytes.subarray(0, length - CHECKSUM))) {
    throw corruptSnapshot(0, 'its head does not match its checksum');
  }
  reader.raw(MAGIC.length);
  const version = reader.u8();
  if (version !== VERSION) throw newer(`it is of format ${version}, and this version reads format ${VERSION}`);
  const compression = reader.u8();
  const flags = reader.u16();
  if (flags !== 0) throw newer(`it has the unknown flags ${flags}`);
  reader.u32();
  try {
    const meta = readMeta(reader);
    reader.raw(CHECKSUM);
    reader.end();
    const fault = metaFault(meta);
    if (fault !== undefined) throw protocolError(fault);
    return { ...meta, compression, length };
  } catch (error) {
    throw corruptSnapshot(0, 'its head cannot be read', error);
  }
}

function readMeta(reader: Reader): SnapshotMeta {
  const id = Array.from(reader.raw(16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const last = { index: reader.u53(), term: reader.u53() };
  const membershipIndex = reader.u53();
  const [genesis, version, cluster] = [reader.u32(), reader.u53(), reader.text(64)];
  const membership = { index: membershipIndex, membership: readMembership(reader) };
  return { id, cluster, last, membership, genesis, version };
}

function newer(what: string): KontikiError {
  return new KontikiError('KONTIKI_FORMAT', `The snapshot cannot be read: ${what}. Use the version that wrote it.`);
}
