import { KontikiError, type Owner } from '@kontiki/core';
import { checkOwner } from '@kontiki/core/store';
import { crc32, Reader, textLength, Writer } from '@kontiki/core/wire';
import type { Folder } from '@kontiki/files';

/**
 * Name of the file that identifies the owner of a folder's snapshots. The file starts with a
 * checksum of all following bytes (4 bytes), "KONTIOWN" and the format version (9). The names of
 * the cluster and the server follow.
 */
const NAME = 'snapshot-owner';
const UNFINISHED = 'snapshot-owner.new';
const MAGIC = new TextEncoder().encode('KONTIOWN');
const VERSION = 1;
const MAX_BYTES = 1024;

/**
 * Records `owner` in a folder without an owner. The record is durable once the folder is synced.
 * Rejects with `KONTIKI_FOREIGN_DATA` if the folder belongs to another owner.
 */
export async function claimFolder(folder: Folder, names: readonly string[], owner: Owner): Promise<void> {
  if (names.includes(UNFINISHED)) await folder.remove(UNFINISHED);
  if (!names.includes(NAME)) return write(folder, owner);
  checkOwner(`The snapshot store in ${folder.path}`, await read(folder), owner);
}

async function write(folder: Folder, { cluster, server }: Owner): Promise<void> {
  const writer = new Writer(4 + MAGIC.length + 1 + textLength(cluster) + textLength(server));
  writer.u32(0);
  writer.raw(MAGIC);
  writer.u8(VERSION);
  writer.text(cluster);
  writer.text(server);
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  const file = await folder.create(UNFINISHED);
  try {
    file.write(writer.bytes, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await folder.rename(UNFINISHED, NAME);
}

async function read(folder: Folder): Promise<Owner> {
  const file = await folder.open(NAME);
  try {
    return decode(await file.read(0, MAX_BYTES), folder);
  } finally {
    await file.close();
  }
}

function decode(bytes: Uint8Array, folder: Folder): Owner {
  const reader = new Reader(bytes);
  try {
    const isValid = reader.u32() === crc32(bytes.subarray(4)) && MAGIC.every((byte) => byte === reader.u8());
    if (isValid && reader.u8() === VERSION) return { cluster: reader.text(64), server: reader.text(64) };
  } catch (error) {
    throw damaged(folder, error);
  }
  throw damaged(folder);
}

function damaged({ path }: Folder, cause?: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `${path}/${NAME} is damaged. The snapshots are not affected: the file only names their owner. Remove the file if the folder belongs to this server.`,
    { cause },
  );
}
