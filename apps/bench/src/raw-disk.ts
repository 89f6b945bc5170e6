import { join } from 'node:path';
import { openFolder } from '@kontiki/files/node';

const record = new Uint8Array(256).fill(7);
const SIZE = 16 * 1024 * 1024;
const piece = new Uint8Array(256 * 1024).fill(7);

/**
 * Returns the number of synced 256-byte writes per second to a preallocated file. A server that
 * commits one entry at a time cannot be faster.
 */
export async function rawSyncs(path: string, milliseconds: number): Promise<number> {
  const folder = await openFolder(join(path, 'raw'));
  const file = await folder.create('raw.log');
  await file.allocate(SIZE);
  const start = performance.now();
  let syncs = 0;
  while (performance.now() - start < milliseconds) {
    file.write(record, (syncs * record.length) % SIZE);
    await file.datasync();
    syncs += 1;
  }
  const rate = (syncs * 1_000) / (performance.now() - start);
  await file.close();
  await folder.remove('raw.log');
  return rate;
}

/**
 * Returns the throughput, in bytes per second, of writing a file in pieces of 256 KiB and syncing
 * it at the end.
 */
export async function rawWriting(path: string, bytes: number): Promise<number> {
  const folder = await openFolder(join(path, 'raw'));
  const file = await folder.create('raw.file');
  const start = performance.now();
  for (let at = 0; at < bytes; at += piece.length) {
    file.write(piece, at);
    // Yield to the event loop, as every server must do.
    await new Promise(setImmediate);
  }
  await file.datasync();
  const rate = (bytes * 1_000) / (performance.now() - start);
  await file.close();
  await folder.remove('raw.file');
  return rate;
}
