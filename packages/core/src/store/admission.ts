import { KontikiError } from '../errors.js';
import type { Owner } from '../ports/log-store.js';
import type { SnapshotMeta } from '../ports/snapshot-store.js';
import { encodeSnapshotHead } from '../wire/snapshot-head.js';

/** Refuses to begin a snapshot, as `SnapshotStore.create` must. `isWritten`: whether one of this id is being written. */
export function admitSnapshot(meta: SnapshotMeta, { cluster }: Owner, isWritten: boolean): void {
  // Also a look at the id, which may be part of a name, and at what no snapshot can be of.
  encodeSnapshotHead(meta);
  if (meta.cluster !== cluster) {
    throw new KontikiError(
      'KONTIKI_FOREIGN_DATA',
      `Snapshot ${meta.id} is of cluster ${meta.cluster}, not of ${cluster}.`,
    );
  }
  if (isWritten) throw new KontikiError('KONTIKI_LOCKED', `Snapshot ${meta.id} is being written already.`);
}
