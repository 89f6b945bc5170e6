import { isKontikiError, KontikiError, type Logger, type Owner, type SnapshotInfo } from '@kontiki/core';
import { checkOwner, type FinishedSnapshot, type OpenedSnapshots, type UnfinishedSnapshot } from '@kontiki/core/store';
import {
  MAX_SNAPSHOT_HEAD,
  metaOf,
  readSnapshotHead,
  SNAPSHOT_TRAILER,
  summarizeSnapshot,
  type SnapshotHead,
  type SnapshotSummary,
} from '@kontiki/core/wire';
import type { File, Folder } from '@kontiki/files';
import { finishedName, isFinishedName, parseUnfinished } from './names.js';
import { claimFolder } from './owner-file.js';

/**
 * Finds the snapshots in a folder. Reads only the head and the trailer of each file. Keeps the
 * newest unfinished snapshot that can be resumed, and removes all other unfinished ones. Damaged
 * snapshot files are logged and left unchanged. When the promise resolves, the names of all found
 * files are durable.
 */
export async function recover(folder: Folder, owner: Owner, logger: Logger): Promise<OpenedSnapshots<string>> {
  const names = await folder.list();
  await claimFolder(folder, names, owner);
  const finished: FinishedSnapshot<string>[] = [];
  for (const name of names.filter(isFinishedName)) {
    const info = await readInfo(folder, name).catch((error: unknown) => {
      if (!isKontikiError(error)) throw error;
      const text = `${folder.path}/${name} ${isKontikiError(error, 'KONTIKI_FORMAT') ? 'needs a newer version' : 'is damaged'} and is not used: ${error.message} The file was not changed.`;
      logger.error(text, { code: error.code });
    });
    if (info === undefined) continue;
    checkCluster(folder, name, info, owner);
    finished.push({ info, location: name });
  }
  const unfinished = await keepNewestUnfinished(folder, names, owner);
  await folder.sync();
  return { finished, unfinished: unfinished === undefined ? [] : [unfinished] };
}

async function readInfo(folder: Folder, name: string): Promise<SnapshotInfo> {
  const summary = await withFile(folder, name, async (file): Promise<SnapshotSummary> => {
    const bytes = await file.size();
    const end = await file.read(Math.max(0, bytes - SNAPSHOT_TRAILER), SNAPSHOT_TRAILER);
    return summarizeSnapshot(await file.read(0, MAX_SNAPSHOT_HEAD), end, bytes);
  });
  if (finishedName(summary) !== name) {
    throw new KontikiError('KONTIKI_CORRUPT', `The file has the head of ${finishedName(summary)}.`);
  }
  return { ...metaOf(summary), bytes: summary.bytes };
}

async function keepNewestUnfinished(
  folder: Folder,
  names: readonly string[],
  owner: Owner,
): Promise<UnfinishedSnapshot<string> | undefined> {
  let newest: (UnfinishedSnapshot<string> & { readonly index: number }) | undefined;
  for (const name of names) {
    const part = parseUnfinished(name);
    if (part === undefined) continue;
    const { id, durable: bytes } = part;
    const head = await readHead(folder, name, bytes);
    if (head !== undefined) checkCluster(folder, name, head, owner);
    const found = { id, bytes, location: name, index: head?.last.index ?? 0 };
    const isNewest = bytes > 0 && found.index > (newest?.index ?? -1);
    const older = isNewest ? newest : found;
    if (isNewest) newest = found;
    if (older !== undefined) await folder.remove(older.location);
  }
  return newest;
}

/**
 * Reads the head of an unfinished snapshot. Returns undefined if the head is incomplete or damaged,
 * because resuming the snapshot would fail.
 */
async function readHead(folder: Folder, name: string, durable: number): Promise<SnapshotHead | undefined> {
  const bytes = await withFile(folder, name, (file) => file.read(0, Math.min(durable, MAX_SNAPSHOT_HEAD)));
  try {
    return readSnapshotHead(bytes);
  } catch {
    return undefined;
  }
}

function checkCluster(folder: Folder, name: string, { cluster }: { readonly cluster: string }, owner: Owner): void {
  checkOwner(`${folder.path}/${name}`, { cluster }, owner);
}

async function withFile<T>(folder: Folder, name: string, use: (file: File) => Promise<T>): Promise<T> {
  const file = await folder.open(name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
