import { access, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isKontikiError } from '@kontiki/core';
import { checkSnapshot, type SnapshotSummary } from '@kontiki/core/wire';
import { CliError, EXIT } from '../cli.js';
import { Progress } from './progress.js';
import type { SnapshotClient } from './snapshot-client.js';

/** Writes the newest snapshot of a node to `file`, which is whole, checked and durable when this resolves, or absent. */
export async function saveSnapshot(
  client: SnapshotClient,
  file: string,
): Promise<SnapshotSummary & { readonly url: string }> {
  await refuseToOverwrite(file);
  const unfinished = `${file}.tmp`;
  const handle = await create(unfinished);
  try {
    const { url, total, pieces } = await client.newest();
    const summary = await checkSnapshot(written(handle, new Progress('saved', total).over(pieces)));
    await handle.sync();
    await handle.close();
    await refuseToOverwrite(file);
    await rename(unfinished, file);
    await syncFolder(dirname(file));
    return { ...summary, url };
  } catch (error) {
    await handle.close();
    await rm(unfinished, { force: true });
    throw isKontikiError(error) || error instanceof CliError ? error : cannotWrite(file, error);
  }
}

async function refuseToOverwrite(file: string): Promise<void> {
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (there) throw new CliError(`${file} is there already, and nothing is overwritten. Name another file.`);
}

async function create(unfinished: string): Promise<FileHandle> {
  try {
    return await open(unfinished, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(unfinished, error);
    throw new CliError(`${unfinished} is there: another save is writing it, or was interrupted. Remove it then.`);
  }
}

function cannotWrite(file: string, error: unknown): CliError {
  return new CliError(`${file} cannot be written: ${(error as Error).message}.`, EXIT.failed, { cause: error });
}

async function* written(handle: FileHandle, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    await handle.writeFile(piece);
    yield piece;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
