import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryLog, MemorySnapshots, type Logger, type SnapshotStore, type Stores } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { Level } from 'level';
import type { Storage } from './kinds.js';

/** Returns the path of a node's data folder. */
export function storagePath(data: string, id: string, storage: Storage): string {
  return join(data, id, storage);
}

export interface NodeStores extends Stores {
  readonly snapshots: SnapshotStore;
  /**
   * Closes the database that the two stores share, if any. Must be called after the stores are
   * closed.
   */
  readonly release: () => Promise<void>;
}

export interface StoresOptions {
  readonly logger: Logger;
  /**
   * Whether no node has used the stores yet. The files of a database may be missing only in this
   * case.
   */
  readonly isNew?: boolean;
}

/** Creates a node's stores without opening them. */
export async function storesAt(
  path: string,
  storage: Storage,
  { logger, isNew = false }: StoresOptions,
): Promise<NodeStores> {
  const release = async (): Promise<void> => {};
  switch (storage) {
    case 'fs':
      return { log: new FileLog(path), snapshots: new FileSnapshots(path, { logger }), release };
    case 'level': {
      // Create the folder durably, with access for the current user only. LevelDB does neither.
      await openFolder(path);
      // Without its file `CURRENT`, LevelDB would start an empty database and delete the data.
      const createIfMissing = isNew || (await readdir(path)).length === 0;
      const db = new Level(path, { createIfMissing });
      return { log: new LevelLog(db), snapshots: new LevelSnapshots(db, { logger }), release: () => db.close() };
    }
    case 'memory':
      return { log: new MemoryLog(), snapshots: new MemorySnapshots(), release };
  }
}
