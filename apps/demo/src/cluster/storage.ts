import { join } from 'node:path';
import { MemoryLog, MemorySnapshots, type Logger, type SnapshotStore, type Stores } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { Level } from 'level';

/** In files, in a LevelDB, or nowhere: a node that keeps its data in memory does not outlive its process. */
export const STORAGES = ['fs', 'level', 'memory'] as const;

export type Storage = (typeof STORAGES)[number];

/** Where a node keeps its data. */
export function storagePath(data: string, id: string, storage: Storage): string {
  return join(data, id, storage);
}

export interface NodeStores extends Stores {
  readonly snapshots: SnapshotStore;
  /** Lets go of what both stand on, when they are closed. */
  readonly release: () => Promise<void>;
}

/** A node's stores, none of them open. */
export async function storesAt(path: string, storage: Storage, logger: Logger): Promise<NodeStores> {
  const release = async (): Promise<void> => {};
  switch (storage) {
    case 'fs':
      return { log: new FileLog(path), snapshots: new FileSnapshots(path, { logger }), release };
    case 'level': {
      // LevelDB makes durable what is in its folder, and not the name of the folder; nor does it keep others out of it.
      await openFolder(path);
      const db = new Level(path);
      return { log: new LevelLog(db), snapshots: new LevelSnapshots(db, { logger }), release: () => db.close() };
    }
    case 'memory':
      return { log: new MemoryLog(), snapshots: new MemorySnapshots(), release };
  }
}
