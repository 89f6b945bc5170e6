import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './target.js';

/** Folder of the stored inputs, with one folder per target and one file per input. */
const CORPUS = fileURLToPath(new URL('../corpus/', import.meta.url));

/** Returns a target's stored inputs, by file name. */
export function readCorpus(name: string): Map<string, Uint8Array> {
  const folder = join(CORPUS, name);
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  return new Map(files.map((file) => [file, new Uint8Array(readFileSync(join(folder, file)))]));
}

/**
 * Stores an input. `kind` is `valid` for outputs of the encoders, `found` for inputs that reached
 * new code, and `failed` for findings. Returns the path of the input's file.
 */
export function keep(name: string, kind: 'valid' | 'found' | 'failed', input: Uint8Array): string {
  const folder = join(CORPUS, name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${kind}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(path, input);
  return path;
}

/** Stores the valid inputs of a target that are not stored yet. */
export async function keepSeeds(target: Target): Promise<void> {
  for (const seed of await target.seeds()) keep(target.name, 'valid', seed);
}
