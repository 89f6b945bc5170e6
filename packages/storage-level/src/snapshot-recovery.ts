import { isKontikiError, KontikiError, type Logger, type Owner, type SnapshotInfo } from '@kontiki/core';
import { MAX_SNAPSHOT_HEAD, SNAPSHOT_TRAILER, summarizeSnapshot } from '@kontiki/core/wire';
import { bytesAt, clearChunks, endOf } from './chunks.js';
import { corrupt } from './failure.js';
import { OWNER } from './keys.js';
import { checkOwner, encodeOwner } from './owner.js';
import type { Operation, Room } from './room.js';
import { chunkKey, CHUNKS, decodeInfo, infoKey, INFOS, numberOf, type Info } from './snapshot-keys.js';

/** A finished snapshot and its number. */
interface Finished {
  readonly info: SnapshotInfo;
  readonly number: number;
}

/** What opening a database found. */
export interface Recovered {
  /** By id. */
  readonly finished: Map<string, Finished>;
  /** By id, the number of one that can be resumed. */
  readonly unfinished: Map<string, number>;
  /** The next number. */
  next: number;
}

/**
 * Looks at the ends of every snapshot, and takes away what can neither be read nor resumed: of the unfinished ones all but
 * the newest, chunks that belong to nothing, and what was written anew. What is damaged is told and left where it is. All
 * that was found is durable then.
 */
export async function recover(room: Room, owner: Owner, logger: Logger): Promise<Recovered> {
  const { db, where } = room;
  const held = await db.get(OWNER);
  if (held !== undefined) checkOwner(OWNER, held, owner, where);
  else if ((await db.keys({ limit: 1 }).all()).length > 0)
    throw corrupt(where, 'what says whose data it is, is missing');
  const finished = new Map<string, Finished>();
  const known = new Set<number>();
  const forgotten: number[] = [];
  let newest: { readonly id: string; readonly number: number; readonly index: number } | undefined;
  for (const [key, value] of await db.iterator(INFOS).all()) {
    const number = numberOf(key);
    known.add(number);
    const found = await lookAt(room, key, value).catch((error: unknown) => {
      if (!isKontikiError(error)) throw error;
      const text = `Snapshot ${number} in ${where} is not used and left where it is: ${error.message}`;
      logger.error(text, { code: error.code });
    });
    if (found === undefined) continue;
    const { meta, bytes } = found;
    if (meta.cluster !== owner.cluster) throw foreign(where, meta.cluster, owner);
    if (bytes === undefined) {
      const index = meta.last.index;
      const [older, newer] =
        newest !== undefined && newest.index >= index
          ? [number, newest]
          : [newest?.number, { id: meta.id, number, index }];
      newest = newer;
      if (older !== undefined) forgotten.push(older);
    } else {
      const anew = finished.get(meta.id);
      if (anew !== undefined) forgotten.push(anew.number);
      finished.set(meta.id, { info: { ...meta, bytes }, number });
    }
  }
  const operations: Operation[] = forgotten.map((number) => ({ type: 'del', key: infoKey(number) }));
  await room.write([...operations, { type: 'put', key: OWNER, value: encodeOwner(OWNER, owner) }]);
  for (const number of forgotten) known.delete(number);
  const highest = await clearUnknown(room, known);
  return {
    finished,
    unfinished: new Map(newest === undefined ? [] : [[newest.id, newest.number]]),
    next: Math.max(highest, ...known, 0) + 1,
  };
}

async function lookAt(room: Room, key: Uint8Array, value: Uint8Array): Promise<Info> {
  const info = decodeInfo(key, value, room.where);
  const { meta, bytes } = info;
  if (bytes === undefined) return info;
  const number = numberOf(key);
  const end = await bytesAt(room, number, Math.max(0, bytes - SNAPSHOT_TRAILER), SNAPSHOT_TRAILER);
  const { id } = summarizeSnapshot(await bytesAt(room, number, 0, MAX_SNAPSHOT_HEAD), end, bytes);
  if (id !== meta.id || (await endOf(room, number)) !== bytes) {
    throw corrupt(room.where, `snapshot ${number} is not the one that was written`);
  }
  return info;
}

/** Deletes the chunks that belong to no snapshot, number by number. The highest number that there was. */
async function clearUnknown(room: Room, known: ReadonlySet<number>): Promise<number> {
  let highest = 0;
  for (let from: Uint8Array = CHUNKS.gte; ; from = chunkKey(highest + 1, 0)) {
    const [first] = await room.db.keys({ gte: from, lt: CHUNKS.lt, limit: 1 }).all();
    if (first === undefined) return highest;
    highest = numberOf(first);
    if (!known.has(highest)) await clearChunks(room, highest);
  }
}

function foreign(where: string, cluster: string, owner: Owner): KontikiError {
  return new KontikiError(
    'KONTIKI_FOREIGN_DATA',
    `${where} holds a snapshot of cluster ${cluster}, not of ${owner.cluster}. Use the database of this server.`,
  );
}
