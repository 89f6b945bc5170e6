import { isKontikiError, KontikiError, machineFailed } from '../../errors.js';
import type { Base } from '../../log/raft-log.js';
import type { SnapshotMeta } from '../../log/snapshot-meta.js';
import type { SnapshotStore } from '../../ports/snapshot-store.js';
import type { StateMachine } from '../../ports/state-machine.js';
import { decodeSnapshot, type SnapshotCompression } from '../../wire/index.js';

/**
 * Restores the installed snapshot, whose last entry is the base of the log. Resolves with the log
 * time of that entry. The store may also contain a newer snapshot that is complete but not
 * installed yet.
 */
export async function restoreInstalled(
  base: Base,
  machine: StateMachine,
  store: SnapshotStore | undefined,
  compression: SnapshotCompression | undefined,
  ended: () => boolean,
): Promise<number> {
  const held = (await store?.list()) ?? [];
  const installed = held.find(({ last }) => last.index === base.index && last.term === base.term);
  if (store === undefined || installed === undefined)
    throw new KontikiError('KONTIKI_LOST_DATA', `The snapshot of entry ${base.index} was installed, but it is gone.`);
  await restore(machine, store, installed, compression, ended);
  return installed.time ?? 0;
}

/**
 * Restores a snapshot into the state machine. Rejects with `KONTIKI_CORRUPT` if the snapshot is
 * damaged; the machine then keeps its state. Rejects with `KONTIKI_FORMAT` if a newer version of
 * the machine wrote the snapshot.
 */
export async function restore(
  machine: StateMachine,
  store: SnapshotStore,
  meta: SnapshotMeta,
  compression: SnapshotCompression | undefined,
  ended: () => boolean = () => false,
): Promise<void> {
  const { id, last, time = 0, version } = meta;
  if (version > (machine.version ?? 0)) {
    throw new KontikiError(
      'KONTIKI_FORMAT',
      `The snapshot of entry ${last.index} was written by version ${version} of the state machine, but this is version ${machine.version ?? 0}. Use version ${version} or a later one.`,
    );
  }
  let damage: unknown;
  async function* chunks(): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of decodeSnapshot(store.read(id), compression === undefined ? [] : [compression])) {
        if (ended())
          throw new KontikiError('KONTIKI_CLOSED', 'The node has ended. Its next start restores the snapshot.');
        yield piece;
      }
    } catch (error) {
      damage = error;
      throw error;
    }
  }
  try {
    await machine.restore?.(chunks(), { ...last, time, version });
  } catch (error) {
    if (damage !== undefined && isKontikiError(damage)) throw damage;
    throw machineFailed(`restored the snapshot of entry ${last.index}`, error);
  }
}
