import { isKontikiError } from '@kontiki/core';
import { checkSnapshot, crc32, decodeSnapshot, encodeSnapshot } from '@kontiki/core/wire';
import { FileSnapshots, gzip } from '@kontiki/snapshot';
import { SimulatedDisk } from '@kontiki/testing';
import { check, type Target } from '../target.js';
import { meta, owner } from './samples.js';

const NAME = `snapshot-${'9'.padStart(16, '0')}-${'3'.padStart(16, '0')}-${meta.id}`;

async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}

async function encoded(compressed: boolean, state = 40): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const encoding = compressed ? { compression: gzip() } : { chunkBytes: 16 };
  const bytes = Uint8Array.from({ length: state }, (_, i) => i);
  for await (const piece of encodeSnapshot(meta, streamOf(bytes), encoding)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

async function count(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const piece of stream) bytes += piece.length;
  return bytes;
}

/** Splits an input into two pieces, at a position that depends on the input. */
function inPieces(input: Uint8Array): AsyncGenerator<Uint8Array, void> {
  const middle = input.length === 0 ? 0 : crc32(input) % input.length;
  return streamOf(input.subarray(0, middle), input.subarray(middle));
}

/**
 * Opens a snapshot store that contains `input` as a finished snapshot, and reads the listed
 * snapshot. Returns whether the store lists the snapshot.
 */
async function readStore(input: Uint8Array): Promise<boolean> {
  const disk = new SimulatedDisk();
  await disk.folder.create(NAME);
  disk.overwrite(NAME, input);
  const store = new FileSnapshots(disk.folder);
  await store.open(owner);
  try {
    const listed = await store.list();
    for (const { id, bytes } of listed) {
      check(bytes === input.length, 'a listed snapshot has the length of its file');
      check((await count(store.read(id))) === bytes, 'a listed snapshot can be read');
    }
    return listed.length > 0;
  } finally {
    await store.close();
  }
}

const CODES = new Set(['KONTIKI_CORRUPT', 'KONTIKI_FORMAT', 'KONTIKI_UNSUPPORTED', 'KONTIKI_FOREIGN_DATA']);

export const snapshot: Target = {
  name: 'snapshot',
  about: 'decodeSnapshot and checkSnapshot of @kontiki/core/wire, FileSnapshots of @kontiki/snapshot',
  seeds: async () => [await encoded(false), await encoded(true), await encoded(false, 0)],
  run: async (input) => {
    const isListed = await readStore(input);
    const { stored, state, bytes } = await checkSnapshot(inPieces(input));
    check(bytes === input.length && stored <= bytes, 'a summary describes all bytes');
    check(
      (await count(decodeSnapshot(inPieces(input), [gzip()]))) === state,
      'a snapshot has the state of its trailer',
    );
    return isListed;
  },
  isExpected: (error) => isKontikiError(error) && CODES.has(error.code),
  // Decompression with gzip allocates separate buffers.
  allocatedBytes: 4 * 1024 * 1024,
  repair: (input) => {
    const view = new DataView(input.buffer, input.byteOffset, input.length);
    const head = input.length < 16 ? 0 : view.getUint32(12, true);
    if (head < 20 || head > input.length) return;
    let sum = crc32(input.subarray(0, head - 4));
    view.setUint32(head - 4, sum, true);
    for (let at = head; at + 4 <= input.length;) {
      const length = view.getUint32(at, true);
      const end = length === 0 ? at + 20 : at + 4 + length;
      if (end + 4 > input.length) return;
      sum = crc32(input.subarray(at, end), sum);
      view.setUint32(end, sum, true);
      at = end + 4;
    }
  },
};
