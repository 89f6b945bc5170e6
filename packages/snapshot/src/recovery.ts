import { isKontikiError, KontikiError, type Logger, type Owner, type SnapshotInfo } from '@kontiki/core';
import {
  MAX_SNAPSHOT_HEAD,
  readSnapshotHead,
  SNAPSHOT_TRAILER,
  summarizeSnapshot,
  type SnapshotHead,
  type SnapshotSummary,
} from '@kontiki/core/wire';
import type { File, Folder } from '@kontiki/files';
import { finishedName, isFinishedName, parseUnfinished, unfinishedName } from './names.js';
import { claim } from './owner-file.js';

/** What opening a folder found. */
export interface Recovered {
  /** By id. */
  readonly finished: Map<string, SnapshotInfo>;
  /** By id: bytes that are durable of one that can be resumed. */
  readonly unfinished: Map<string, number>;
}

/**
 * Looks at the ends of every snapshot, and takes away what can neither be read nor resumed: of the unfinished ones all but
 * the newest. What looks like a snapshot and is damaged is told and left where it is. All names found are durable then.
 */
export async function recover(folder: Folder, owner: Owner, logger: Logger): Promise<Recovered> {
  const names = await folder.list();
  await claim(folder, names, owner);
  const finished = new Map<string, SnapshotInfo>();
  for (const name of names.filter(isFinishedName)) {
    const found = await lookAt(folder, name).catch((error: unknown) => {
      if (!isKontikiError(error)) throw error;
      const text = `${folder.path}/${name} is not used and left where it is: ${error.message}`;
      logger.error(text, { code: error.code });
    });
    if (found === undefined) continue;
    checkCluster(folder, name, found, owner);
    finished.set(found.id, found);
  }
  const unfinished = await newestUnfinished(folder, names, owner);
  await folder.sync();
  return { finished, unfinished };
}

async function lookAt(folder: Folder, name: string): Promise<SnapshotInfo> {
  const summary = await withFile(folder, name, async (file): Promise<SnapshotSummary> => {
    const bytes = await file.size();
    const end = await file.read(Math.max(0, bytes - SNAPSHOT_TRAILER), SNAPSHOT_TRAILER);
    return summarizeSnapshot(await file.read(0, MAX_SNAPSHOT_HEAD), end, bytes);
  });
  if (finishedName(summary) !== name) {
    throw new KontikiError('KONTIKI_CORRUPT', `Its head is that of ${finishedName(summary)}.`);
  }
  const { id, cluster, last, membership, genesis, version, bytes } = summary;
  return { id, cluster, last, membership, genesis, version, bytes };
}

async function newestUnfinished(folder: Folder, names: readonly string[], owner: Owner): Promise<Map<string, number>> {
  let newest = { id: '', durable: 0, index: -1 };
  for (const name of names) {
    const part = parseUnfinished(name);
    if (part === undefined) continue;
    const head = await headOf(folder, name, part.durable);
    if (head !== undefined) checkCluster(folder, name, head, owner);
    const found = { ...part, index: head?.last.index ?? 0 };
    const [older, newer] = found.durable > 0 && found.index > newest.index ? [newest, found] : [found, newest];
    newest = newer;
    if (older.index >= 0) await folder.remove(unfinishedName(older.id, older.durable));
  }
  return new Map(newest.index < 0 ? [] : [[newest.id, newest.durable]]);
}

/** The head of an unfinished one; undefined when too little of it is durable, or it is damaged: writing on will tell. */
async function headOf(folder: Folder, name: string, durable: number): Promise<SnapshotHead | undefined> {
  const bytes = await withFile(folder, name, (file) => file.read(0, Math.min(durable, MAX_SNAPSHOT_HEAD)));
  try {
    return readSnapshotHead(bytes);
  } catch {
    return undefined;
  }
}

function checkCluster(folder: Folder, name: string, { cluster }: { readonly cluster: string }, owner: Owner): void {
  if (cluster === owner.cluster) return;
  throw new KontikiError(
    'KONTIKI_FOREIGN_DATA',
    `${folder.path}/${name} is of cluster ${cluster}, not of ${owner.cluster}. Use the folder of this server.`,
  );
}

async function withFile<T>(folder: Folder, name: string, use: (file: File) => Promise<T>): Promise<T> {
  const file = await folder.open(name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
