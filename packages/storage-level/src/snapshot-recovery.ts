import { isKontikiError, type Logger, type Owner } from '@kontiki/core';
import {
  checkOwner,
  corruptData,
  type FinishedSnapshot,
  type OpenedSnapshots,
  type UnfinishedSnapshot,
} from '@kontiki/core/store';
import { MAX_SNAPSHOT_HEAD, SNAPSHOT_TRAILER, summarizeSnapshot } from '@kontiki/core/wire';
import { clearChunks, endOf, readBytes } from './chunks.js';
import { OWNER } from './keys.js';
import type { Namespace, Operation } from './namespace.js';
import { chunkKey, CHUNKS, decodeInfo, infoKey, INFOS, numberOf, type Info } from './snapshot-keys.js';
import { checkOwnerValue, encodeOwner } from './values.js';

/** The snapshots that were found in a database, and the number to give to the next one. */
export interface Recovered extends OpenedSnapshots<number> {
  readonly next: number;
}

/**
 * Finds the snapshots in a database. Reads only the head and the trailer of each snapshot. Keeps
 * the newest unfinished snapshot. Removes other unfinished snapshots, replaced snapshots, and
 * chunks without a snapshot. Damaged snapshots are logged and left unchanged. When the promise
 * resolves, all snapshots that were found are durable.
 */
export async function recover(namespace: Namespace, owner: Owner, logger: Logger): Promise<Recovered> {
  const { db, where } = namespace;
  const held = await db.get(OWNER);
  if (held !== undefined) checkOwnerValue(held, owner, where);
  else if ((await db.keys({ limit: 1 }).all()).length > 0) throw corruptData(where, 'the owner is missing');
  const finished = new Map<string, FinishedSnapshot<number>>();
  const known = new Set<number>();
  const removed: number[] = [];
  let newest: { readonly id: string; readonly number: number; readonly index: number } | undefined;
  for (const [key, value] of await db.iterator(INFOS).all()) {
    const number = numberOf(key);
    known.add(number);
    const found = await readInfo(namespace, key, value).catch((error: unknown) => {
      if (!isKontikiError(error)) throw error;
      const text = `Snapshot ${number} in ${where} ${isKontikiError(error, 'KONTIKI_FORMAT') ? 'needs a newer version' : 'is damaged'} and is not used: ${error.message}`;
      logger.error(text, { code: error.code });
    });
    if (found === undefined) continue;
    const { meta, bytes } = found;
    checkOwner(`Snapshot ${meta.id} in ${where}`, { cluster: meta.cluster }, owner);
    if (bytes === undefined) {
      const { id, last } = meta;
      const isNewest = newest === undefined || newest.index < last.index;
      const older = isNewest ? newest?.number : number;
      if (isNewest) newest = { id, number, index: last.index };
      if (older !== undefined) removed.push(older);
    } else {
      const replaced = finished.get(meta.id);
      if (replaced !== undefined) removed.push(replaced.location);
      finished.set(meta.id, { info: { ...meta, bytes }, location: number });
    }
  }
  const operations: Operation[] = removed.map((number) => ({ type: 'del', key: infoKey(number) }));
  await namespace.write([...operations, { type: 'put', key: OWNER, value: encodeOwner(owner) }]);
  for (const number of removed) known.delete(number);
  const highest = await clearUnknownChunks(namespace, known);
  const unfinished: UnfinishedSnapshot<number>[] = [];
  if (newest !== undefined) {
    const { id, number } = newest;
    unfinished.push({ id, location: number, bytes: await endOf(namespace, number) });
  }
  return { finished: finished.values(), unfinished, next: Math.max(highest, ...known, 0) + 1 };
}

async function readInfo(namespace: Namespace, key: Uint8Array, value: Uint8Array): Promise<Info> {
  const info = decodeInfo(key, value, namespace.where);
  const { meta, bytes } = info;
  if (bytes === undefined) return info;
  const number = numberOf(key);
  const end = await readBytes(namespace, number, Math.max(0, bytes - SNAPSHOT_TRAILER), SNAPSHOT_TRAILER);
  const { id } = summarizeSnapshot(await readBytes(namespace, number, 0, MAX_SNAPSHOT_HEAD), end, bytes);
  if (id !== meta.id || (await endOf(namespace, number)) !== bytes) {
    throw corruptData(namespace.where, `snapshot ${number} has the chunks of another snapshot`);
  }
  return info;
}

/**
 * Deletes the chunks that do not belong to a known snapshot. Returns the highest snapshot number
 * among all chunks that were found.
 */
async function clearUnknownChunks(namespace: Namespace, known: ReadonlySet<number>): Promise<number> {
  let highest = 0;
  for (let from: Uint8Array = CHUNKS.gte; ; from = chunkKey(highest + 1, 0)) {
    const [first] = await namespace.db.keys({ gte: from, lt: CHUNKS.lt, limit: 1 }).all();
    if (first === undefined) return highest;
    highest = numberOf(first);
    if (!known.has(highest)) await clearChunks(namespace, highest);
  }
}
