import { isKontikiError, KontikiError } from '../errors.js';
import { isId } from '../id.js';
import type { SnapshotMeta } from '../ports/snapshot-store.js';
import { crc32 } from './crc32.js';
import { membershipLength, readMembership, writeMembership } from './membership.js';
import { protocolError, Reader } from './reader.js';
import { textLength, Writer } from './writer.js';

/**
 * The format of a snapshot's head. Its fields, with their sizes in bytes, are
 * - "KONTISNP" (8), the version (1), the compression (1, 0 for none), and flags (2),
 * - the length of the head (4), and the id (16),
 * - the index and the term of the last entry (8 each), and the index of the membership (8),
 * - the genesis (4), and the version of the state machine (8),
 * - the log time of the last entry (8, only if flag 1 is set),
 * - the cluster, the membership, and a checksum of the preceding bytes (4).
 *
 * See docs/snapshot-format.md.
 */
const MAGIC = new TextEncoder().encode('KONTISNP');
const VERSION = 1;
/**
 * Number of bytes up to the end of the head's length field. This field has the same offset in every
 * version.
 */
export const HEAD_PREFIX = 16;
const FIXED = HEAD_PREFIX + 52;
const CHECKSUM = 4;
const HAS_TIME = 1;
const ID = /^[0-9a-f]{32}$/;

/** Maximum length of a head: 64 KiB. */
export const MAX_SNAPSHOT_HEAD: number = 64 * 1024;

/** The contents of a snapshot's head. */
export interface SnapshotHead extends SnapshotMeta {
  /** The compression of the state (`SnapshotCompression.kind`): 0 for none, 1 for gzip. */
  readonly compression: number;
  /** Length of the snapshot's head, which is the offset of the first chunk. */
  readonly length: number;
}

/** Returns the error for a damaged snapshot. `offset` is the position of the damaged part. */
export function corruptSnapshot(offset: number, what: string, cause?: unknown): KontikiError {
  return new KontikiError('KONTIKI_CORRUPT', `The snapshot is damaged at byte ${offset}: ${what}.`, { cause });
}

/**
 * Returns the reason why the description of a snapshot is invalid, as a sentence fragment;
 * undefined if it is valid.
 */
function metaFault({ id, cluster, last, membership }: SnapshotMeta): string | undefined {
  if (!ID.test(id)) return `${JSON.stringify(id)} is not an id of 32 hexadecimal digits`;
  if (!isId(cluster)) return `${JSON.stringify(cluster)} is not a cluster id`;
  if (last.index === 0 || last.term === 0) return `it ends at entry ${last.index} of term ${last.term}`;
  if (membership.index === 0 || membership.index > last.index) {
    return `its membership comes from entry ${membership.index}, but it ends at ${last.index}`;
  }
  return undefined;
}

export function encodeSnapshotHead(meta: SnapshotMeta, compression = 0): Uint8Array {
  const { id, cluster, last, time, membership, genesis, version } = meta;
  const fault = metaFault(meta);
  if (fault !== undefined) throw protocolError(`A snapshot's meta is invalid: ${fault}.`);
  const timeLength = time === undefined ? 0 : 8;
  const length = FIXED + timeLength + textLength(cluster) + membershipLength(membership.membership) + CHECKSUM;
  const writer = new Writer(length);
  writer.raw(MAGIC);
  writer.u8(VERSION);
  writer.u8(compression);
  writer.u16(time === undefined ? 0 : HAS_TIME);
  writer.u32(length);
  writer.hex(id);
  writer.u53(last.index);
  writer.u53(last.term);
  writer.u53(membership.index);
  writer.u32(genesis);
  writer.u53(version);
  if (time !== undefined) writer.u53(time);
  writer.text(cluster);
  writeMembership(writer, membership.membership);
  writer.u32(crc32(writer.bytes.subarray(0, length - CHECKSUM)));
  return writer.bytes;
}

/**
 * Returns the length of a snapshot's head, read from its first 16 bytes. The length is checked to
 * be in the valid range, but the head's checksum has not been verified yet.
 */
export function snapshotHeadLength(prefix: Uint8Array): number {
  if (prefix.length < HEAD_PREFIX) throw corruptSnapshot(0, `it has only ${prefix.length} bytes`);
  if (!MAGIC.every((byte, i) => byte === prefix[i]))
    throw corruptSnapshot(0, 'it does not begin with the snapshot signature');
  const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(12, true);
  if (length < FIXED + CHECKSUM || length > MAX_SNAPSHOT_HEAD) {
    throw corruptSnapshot(12, `its head cannot have ${length} bytes`);
  }
  return length;
}

/**
 * Reads the head at the start of `bytes` and ignores any bytes after it. The first
 * `MAX_SNAPSHOT_HEAD` bytes of a snapshot always contain the whole head. Throws `KONTIKI_CORRUPT`
 * if the head is damaged. Throws `KONTIKI_FORMAT` if the head is intact but was written by a newer
 * version.
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
  if (flags > HAS_TIME) throw newer(`it has the unknown flags ${flags}`);
  reader.u32();
  try {
    const meta = readMeta(reader, flags === HAS_TIME);
    reader.raw(CHECKSUM);
    reader.end();
    const fault = metaFault(meta);
    if (fault !== undefined) throw protocolError(fault);
    return { ...meta, compression, length };
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_FORMAT')) throw error;
    throw corruptSnapshot(0, 'its head cannot be decoded', error);
  }
}

function readMeta(reader: Reader, hasTime: boolean): SnapshotMeta {
  const id = reader.hex(16);
  const last = { index: reader.u53(), term: reader.u53() };
  const membershipIndex = reader.u53();
  const [genesis, version] = [reader.u32(), reader.u53()];
  const time = hasTime ? reader.u53() : undefined;
  const cluster = reader.text(64);
  const membership = { index: membershipIndex, membership: readMembership(reader) };
  return { id, cluster, last, time, membership, genesis, version };
}

/** Returns the description of a snapshot without the fields of its encoding. */
export function metaOf({ id, cluster, last, time, membership, genesis, version }: SnapshotMeta): SnapshotMeta {
  return { id, cluster, last, time, membership, genesis, version };
}

function newer(what: string): KontikiError {
  return new KontikiError('KONTIKI_FORMAT', `The snapshot cannot be read: ${what}. Use the version that wrote it.`);
}
