import { KontikiError } from '../errors.js';

/**
 * Returns the folder of a store, given as a path or an open folder. Throws `KONTIKI_BAD_OPTION` if
 * it is neither, or if the path is empty, which would mean the current directory.
 */
export function checkFolder<T extends object>(folder: string | T): string | T {
  const isValid = typeof folder === 'string' ? folder !== '' : typeof folder === 'object' && folder !== null;
  if (isValid) return folder;
  const text = `The folder of a store must be a path or a Folder, not ${JSON.stringify(folder)}.`;
  throw new KontikiError('KONTIKI_BAD_OPTION', text);
}
