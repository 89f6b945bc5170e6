import { unlink } from 'node:fs/promises';

/**
 * Removes a file if it exists. Uses `unlink`, because once `rm` has removed a socket, Node 20 no
 * longer resolves the symbolic links in the paths of modules that are imported later.
 */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
