import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import type { SnapshotCompression } from '@kontiki/core/wire';

/**
 * Returns a snapshot compression that uses gzip in the thread pool. `level` ranges from 1 (fastest)
 * to 9 (smallest).
 */
export function gzip(level = 1): SnapshotCompression {
  return {
    kind: 1,
    compress: (state) => through(state, createGzip({ level })),
    decompress: (bytes) => through(bytes, createGunzip()),
  };
}

/**
 * Pipes `source` through `transform`. If the source throws, so does this generator. If the caller
 * returns early, the source is closed.
 */
async function* through(source: AsyncIterable<Uint8Array>, transform: Transform): AsyncGenerator<Uint8Array, void> {
  pipeline(source, transform, () => {});
  for await (const piece of transform) yield piece as Uint8Array;
}
