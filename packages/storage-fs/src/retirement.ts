import { movedError } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';

/** Its presence retires the log beside it; in it stands where the server has gone. */
const NAME = 'wal-moved';

/** Resolves when it is durable. */
export async function retire(folder: Folder, where: string): Promise<void> {
  const unnamed = `${NAME}.new`;
  // Left by a crash, if there is one.
  await folder.remove(unnamed);
  const file = await folder.create(unnamed);
  try {
    file.write(new TextEncoder().encode(where), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await folder.rename(unnamed, NAME);
  await folder.sync();
}

/** Rejects with `KONTIKI_MOVED` when the log was retired. */
export async function refuseRetired(folder: Folder): Promise<void> {
  if (!(await folder.list()).includes(NAME)) return;
  // A process that died may have left a name that is not durable.
  await folder.sync();
  const file = await folder.open(NAME);
  try {
    const where = new TextDecoder().decode(await file.read(0, await file.size()));
    throw movedError(`The log in ${folder.path}`, where);
  } finally {
    await file.close();
  }
}
