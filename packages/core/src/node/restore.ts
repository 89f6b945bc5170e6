import { isKontikiError, KontikiError } from '../errors.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { SnapshotStore } from '../ports/snapshot-store.js';
import type { StateMachine } from '../ports/state-machine.js';
import { decodeSnapshot, type SnapshotCompression } from '../wire/index.js';
import { machineFailed } from './machine-failed.js';

/**
 * Puts the state of a snapshot into the machine. Rejects with `KONTIKI_CORRUPT` when the snapshot is damaged, the machine
 * being as it was; with `KONTIKI_FORMAT` when a newer machine has written it.
 */
export async function restore(
  machine: StateMachine,
  store: SnapshotStore,
  meta: SnapshotMeta,
  compression: SnapshotCompression | undefined,
  ended: () => boolean = () => false,
): Promise<void> {
  const { id, last, version } = meta;
  if (version > (machine.version ?? 0)) {
    throw new KontikiError(
      'KONTIKI_FORMAT',
      `The snapshot of entry ${last.index} was written by version ${version} of the state machine; this one is of version ${machine.version ?? 0}. Use that version, or a later one.`,
    );
  }
  let damage: unknown;
  async function* chunks(): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of decodeSnapshot(store.read(id), compression === undefined ? [] : [compression])) {
        if (ended())
          throw new KontikiError('KONTIKI_CLOSED', 'The node has ended; its next start restores the snapshot.');
        yield piece;
      }
    } catch (error) {
      damage = error;
      throw error;
    }
  }
  try {
    await machine.restore?.(chunks(), { ...last, version });
  } catch (error) {
    if (damage !== undefined && isKontikiError(damage)) throw damage;
    throw machineFailed(`restored the snapshot of entry ${last.index}`, error);
  }
}
