import type { SnapshotMeta } from '../log/snapshot-meta.js';
import { membershipLength, readMembership, writeMembership } from './membership.js';
import { protocolError, type Reader } from './reader.js';
import { textLength, type Writer } from './writer.js';

const ID = /^[0-9a-f]{32}$/;

/** id, cluster, index, term (8 bytes each), the membership's index (8) and the membership, origin (4), version (4). */
export function snapshotMetaLength({ id, cluster, membership }: SnapshotMeta): number {
  return textLength(id) + textLength(cluster) + 32 + membershipLength(membership.membership);
}

export function writeSnapshotMeta(writer: Writer, meta: SnapshotMeta): void {
  const { id, cluster, last, membership, origin, version } = meta;
  writer.text(id);
  writer.text(cluster);
  writer.u53(last.index);
  writer.u53(last.term);
  writer.u53(membership.index);
  writeMembership(writer, membership.membership);
  writer.u32(origin);
  writer.u32(version);
}

export function readSnapshotMeta(reader: Reader): SnapshotMeta {
  const id = readSnapshotId(reader);
  const cluster = reader.text(64);
  const last = { index: reader.u53(), term: reader.u53() };
  const index = reader.u53();
  const membership = { index, membership: readMembership(reader) };
  if (last.index === 0 || last.term === 0 || index === 0 || index > last.index)
    throw protocolError(`A snapshot is said to end at entry ${last.index}, with a membership of ${index}.`);
  return { id, cluster, last, membership, origin: reader.u32(), version: reader.u32() };
}

/** It may become a part of a file's name. */
export function readSnapshotId(reader: Reader): string {
  const id = reader.text(32);
  if (!ID.test(id)) throw protocolError(`${JSON.stringify(id)} is no id of a snapshot.`);
  return id;
}
