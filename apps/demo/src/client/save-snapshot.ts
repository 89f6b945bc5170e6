import { access, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClientError } from '@kontiki/client';
import { isKontikiError } from '@kontiki/core';
import { checkSnapshot, type SnapshotSummary } from '@kontiki/core/wire';
import { CliError, EXIT, shellWord } from '../cli.js';
import { StreamProgress } from './progress.js';
import type { SnapshotClient } from './snapshot-client.js';

/**
 * Writes a node's newest snapshot to `file`. When the promise resolves, the file is complete,
 * checked and durable. When it rejects, no file was created.
 */
export async function saveSnapshot(
  client: SnapshotClient,
  file: string,
): Promise<SnapshotSummary & { readonly url: string }> {
  await refuseToOverwrite(file);
  const temporary = `${file}.tmp`;
  const handle = await create(temporary);
  try {
    const { url, totalBytes, chunks } = await client.download();
    const summary = await checkSnapshot(writeTo(handle, new StreamProgress('saved', totalBytes).watch(chunks)));
    await handle.sync();
    await handle.close();
    await refuseToOverwrite(file);
    await rename(temporary, file);
    await syncFolder(dirname(file));
    return { ...summary, url };
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    const isExplained = isKontikiError(error) || error instanceof CliError || error instanceof ClientError;
    throw isExplained ? error : cannotWrite(file, error);
  }
}

async function refuseToOverwrite(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists) throw new CliError(`${file} already exists and was not overwritten. Choose another file name.`);
}

async function create(temporary: string): Promise<FileHandle> {
  try {
    return await open(temporary, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(temporary, error);
    throw new CliError(
      `${temporary} already exists: another save is writing it, or one was interrupted. If no save is running: rm ${shellWord(temporary)}`,
    );
  }
}

function cannotWrite(file: string, error: unknown): CliError {
  return new CliError(`Cannot write ${file}: ${(error as Error).message}.`, EXIT.failed, { cause: error });
}

/** Yields the chunks unchanged and also writes them to a file. */
async function* writeTo(handle: FileHandle, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of chunks) {
    await handle.writeFile(chunk);
    yield chunk;
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
