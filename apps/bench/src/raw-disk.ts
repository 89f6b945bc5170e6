import { join } from 'node:path';
import { openFolder } from '@kontiki/files/node';

const record = new Uint8Array(256).fill(7);
const SIZE = 16 * 1024 * 1024;
const piece = new Uint8Array(256 * 1024).fill(7);

/** What one server could do at the very most, one write after the other: 256 B appended to a preallocated file and synced. */
export async function rawSyncs(path: string, milliseconds: number): Promise<number> {
  const folder = await openFolder(join(path, 'raw'));
  const file = await folder.create('raw.log');
  await file.allocate(SIZE);
  const begin = performance.now();
  let syncs = 0;
  while (performance.now() - begin < milliseconds) {
    file.write(record, (syncs * record.length) % SIZE);
    await file.datasync();
    syncs += 1;
  }
  const rate = (syncs * 1_000) / (performance.now() - begin);
  await file.close();
  await folder.remove('raw.log');
  return rate;
}

/** Bytes a second into one file, in pieces of 256 KiB, synced at the end. */
export async function rawWriting(path: string, bytes: number): Promise<number> {
  const folder = await openFolder(join(path, 'raw'));
  const file = await folder.create('raw.file');
  const begin = performance.now();
  for (let at = 0; at < bytes; at += piece.length) {
    file.write(piece, at);
    // As every server must, it lets others have their turn.
    await new Promise(setImmediate);
  }
  await file.datasync();
  const rate = (bytes * 1_000) / (performance.now() - begin);
  await file.close();
  await folder.remove('raw.file');
  return rate;
}
