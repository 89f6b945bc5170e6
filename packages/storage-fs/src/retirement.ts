import { movedError } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';

/**
 * The name of the file that marks the log in a folder as retired. The file contains the server's
 * new location.
 */
const NAME = 'wal-moved';

/** Marks the log in a folder as retired. Resolves when the mark is durable. */
export async function retire(folder: Folder, where: string): Promise<void> {
  const temporary = `${NAME}.new`;
  // Remove a temporary file that may be left from a crash.
  await folder.remove(temporary);
  const file = await folder.create(temporary);
  try {
    file.write(new TextEncoder().encode(where), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await folder.rename(temporary, NAME);
  await folder.sync();
}

/** Rejects with `KONTIKI_MOVED` if the log is retired. */
export async function refuseRetired(folder: Folder): Promise<void> {
  if (!(await folder.list()).includes(NAME)) return;
  // A process may have been killed after it created the file, but before the file's name was
  // durable.
  await folder.sync();
  const file = await folder.open(NAME);
  try {
    const where = new TextDecoder().decode(await file.read(0, await file.size()));
    throw movedError(`The log in ${folder.path}`, where);
  } finally {
    await file.close();
  }
}
