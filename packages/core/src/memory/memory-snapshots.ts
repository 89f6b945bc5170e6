import type { Owner } from '../ports/log-store.js';
import type { SnapshotInfo, SnapshotMeta } from '../ports/snapshot-store.js';
import { AbstractSnapshots, type OpenedSnapshots, type UnfinishedSnapshot } from '../store/abstract-snapshots.js';
import { checkOwner } from '../store/check-owner.js';
import type { SnapshotSink } from '../store/store-writer.js';

/** A snapshot in memory. */
interface StoredSnapshot {
  readonly id: string;
  readonly pieces: Uint8Array[];
  /** The description of the finished snapshot; undefined while the snapshot is unfinished. */
  info: SnapshotInfo | undefined;
}

/**
 * A snapshot store in memory, for tests and for clusters that may lose their data. Every write
 * counts as durable immediately. A store object keeps its snapshots when it is closed and reopened;
 * a new object is blank.
 */
export class MemorySnapshots extends AbstractSnapshots<StoredSnapshot> {
  #owner: Owner | undefined;
  readonly #stored = new Set<StoredSnapshot>();

  protected override get _where(): string {
    return 'memory';
  }

  protected override async _open(owner: Owner): Promise<OpenedSnapshots<StoredSnapshot>> {
    checkOwner('The snapshot store in memory', this.#owner ?? owner, owner);
    this.#owner = owner;
    const [finished, unfinished] = [[], []] as [
      { info: SnapshotInfo; location: StoredSnapshot }[],
      UnfinishedSnapshot<StoredSnapshot>[],
    ];
    for (const location of this.#stored) {
      const { id, info, pieces } = location;
      if (info !== undefined) finished.push({ info, location });
      else unfinished.push({ id, location, bytes: pieces.reduce((sum, { length }) => sum + length, 0) });
    }
    return { finished, unfinished };
  }

  protected override async _create(
    { id }: SnapshotMeta,
    resumed: UnfinishedSnapshot<StoredSnapshot> | undefined,
  ): Promise<SnapshotSink<StoredSnapshot>> {
    const location: StoredSnapshot = resumed?.location ?? { id, pieces: [], info: undefined };
    this.#stored.add(location);
    return {
      location,
      write: async (bytes) => void location.pieces.push(bytes),
      sync: async () => {},
      finish: async (info, replaced) => {
        location.info = info;
        if (replaced !== undefined) this.#stored.delete(replaced);
        return location;
      },
      close: async () => {},
    };
  }

  protected override async *_read({ pieces }: StoredSnapshot, offset: number): AsyncGenerator<Uint8Array, void> {
    let at = 0;
    for (const piece of pieces) {
      if (at + piece.length > offset) yield piece.subarray(Math.max(0, offset - at));
      at += piece.length;
    }
  }

  protected override async _remove(location: StoredSnapshot): Promise<void> {
    this.#stored.delete(location);
  }

  protected override async _close(): Promise<void> {}
}
