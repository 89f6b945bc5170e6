import { close, constants, fsync, open } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { FolderLockedError, type File, type Folder, type Lock } from './folder.js';
import { NodeFile } from './node-file.js';
import { lockFolder } from './node-lock.js';

const openFd = promisify(open);
const { O_RDWR, O_CREAT, O_EXCL, O_RDONLY, O_NOFOLLOW } = constants;

/** A lock that this process holds, and what uses it. */
interface Shared {
  readonly lock: Promise<Lock>;
  readonly uses: Set<string>;
}

/** By the folder's real path. */
const held = new Map<string, Shared>();

class NodeFolder implements Folder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  list(): Promise<string[]> {
    return readdir(this.path);
  }

  async open(name: string): Promise<File> {
    return new NodeFile(await openFd(join(this.path, name), O_RDWR | O_NOFOLLOW));
  }

  async create(name: string): Promise<File> {
    return new NodeFile(await openFd(join(this.path, name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.path, from), join(this.path, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.path, name), { force: true });
  }

  async sync(): Promise<void> {
    const fd = await openFd(this.path, O_RDONLY);
    try {
      await promisify(fsync)(fd);
    } finally {
      await promisify(close)(fd);
    }
  }

  async lock(use: string): Promise<Lock> {
    const key = await realpath(this.path);
    const shared = held.get(key) ?? { lock: lockFolder(key), uses: new Set() };
    if (shared.uses.has(use)) throw new FolderLockedError(`${this.path} is in use by this process already (${use}).`);
    shared.uses.add(use);
    held.set(key, shared);
    let lock: Lock;
    try {
      lock = await shared.lock;
    } catch (error) {
      held.delete(key);
      throw error;
    }
    const release = async (): Promise<void> => {
      shared.uses.delete(use);
      if (shared.uses.size > 0) return;
      held.delete(key);
      await lock.release();
    };
    return { release };
  }
}

/**
 * Makes a folder and those above it that are not there; returns the topmost that it made. `recursive: true` instead
 * never ends where the system lets nobody make one (`/proc`), and says ENOENT of a disk that is read-only.
 */
async function makeFolder(path: string): Promise<string | undefined> {
  const above = dirname(path);
  const topmost = above === path || (await isFolder(above)) ? undefined : await makeFolder(above);
  try {
    await mkdir(path, { mode: 0o700 });
    return topmost ?? path;
  } catch (error) {
    if (await isFolder(path)) return topmost;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** The folder at `path`, made if it is not there, for its owner only. Its own name is made durable too. */
export async function openFolder(path: string): Promise<Folder> {
  if (process.platform === 'win32') {
    throw new Error('Kontiki keeps no files on Windows yet: how durable they are there has not been tested.');
  }
  const absolute = resolve(path);
  const made = await makeFolder(absolute);
  // Every folder that was made is a name in the one above it.
  for (let at = absolute; made !== undefined && at.length >= made.length; at = dirname(at)) {
    await new NodeFolder(dirname(at)).sync();
  }
  // One that was there may have been made by a process that died before it synced. Whose folder above may not be read was made by somebody else.
  if (made === undefined) {
    await new NodeFolder(dirname(absolute)).sync().catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EACCES') throw error;
    });
  }
  return new NodeFolder(absolute);
}
