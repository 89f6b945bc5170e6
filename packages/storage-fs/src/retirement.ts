import { movedError } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';

/**
 * The file that retires the log in its folder. It contains the place where the server has moved.
 */
const NAME = 'wal-moved';

/** Retires the log in a folder. Resolves when that is durable. */
export async function retire(folder: Folder, where: string): Promise<void> {
  const temporary = `${NAME}.new`;
  // A crash may have left the file.
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
  // A process that was killed may have left a name that is not durable.
  await folder.sync();
  const file = await folder.open(NAME);
  try {
    const where = new TextDecoder().decode(await file.read(0, await file.size()));
    throw movedError(`The log in ${folder.path}`, where);
  } finally {
    await file.close();
  }
}
