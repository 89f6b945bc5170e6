import { FolderLockedError, type Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { CliError, EXIT } from '../cli.js';

/**
 * Locks the data folder. Without the lock, two demos in one folder could create two clusters, or
 * each could run part of the same cluster.
 */
export async function lockData(data: string): Promise<Lock> {
  try {
    return await (await openFolder(data)).lock('demo');
  } catch (error) {
    if (error instanceof FolderLockedError) throw error;
    throw new CliError(`Cannot use --data ${data}: ${(error as Error).message}. Choose another folder.`, EXIT.failed, {
      cause: error,
    });
  }
}
