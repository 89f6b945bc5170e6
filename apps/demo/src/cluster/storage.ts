import { join } from 'node:path';
import { MemoryLog, MemorySnapshots, type Logger, type SnapshotStore, type Stores } from '@kontiki/core';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';

/** In files, in a LevelDB, or nowhere: a node that keeps its data in memory does not outlive its process. */
export const STORAGES = ['fs', 'memory'] as const;

export type Storage = (typeof STORAGES)[number];

/** Where a node keeps its data. */
export function storagePath(data: string, id: string, storage: Storage): string {
  return join(data, id, storage);
}

/** A node's stores, none of them open. */
export function storesAt(
  path: string,
  storage: Storage,
  logger: Logger,
): Required<Stores> & { readonly snapshots: SnapshotStore } {
  switch (storage) {
    case 'fs':
      return { log: new FileLog(path), snapshots: new FileSnapshots(path, { logger }) };
    case 'memory':
      return { log: new MemoryLog(), snapshots: new MemorySnapshots() };
  }
}
