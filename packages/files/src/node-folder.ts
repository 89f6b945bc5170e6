import { close, constants, fsync, open } from 'node:fs';
import { mkdir, readdir, realpath, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { removeFile } from './remove-file.js';
import { FolderLockedError, type File, type Folder, type Lock } from './folder.js';
import { NodeFile, withPath } from './node-file.js';
import { lockFolder } from './node-lock.js';

const openFd = promisify(open);
const { O_RDWR, O_CREAT, O_EXCL, O_RDONLY, O_NOFOLLOW } = constants;

/** A folder lock held by this process, and the names under which it is shared. */
interface SharedLock {
  readonly lock: Promise<Lock>;
  readonly uses: Set<string>;
}

/** Locks held by this process, keyed by the folder's real path. */
const sharedLocks = new Map<string, SharedLock>();

class NodeFolder implements Folder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  list(): Promise<string[]> {
    return readdir(this.path);
  }

  async open(name: string): Promise<File> {
    const path = this.#pathOf(name);
    return new NodeFile(await openFd(path, O_RDWR | O_NOFOLLOW), path);
  }

  async create(name: string): Promise<File> {
    const path = this.#pathOf(name);
    return new NodeFile(await openFd(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), path);
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#pathOf(from), this.#pathOf(to));
  }

  async remove(name: string): Promise<void> {
    await removeFile(this.#pathOf(name));
  }

  async sync(): Promise<void> {
    const fd = await openFd(this.path, O_RDONLY);
    try {
      await promisify(fsync)(fd);
    } catch (error) {
      throw withPath(error, this.path);
    } finally {
      await promisify(close)(fd);
    }
  }

  async lock(use: string): Promise<Lock> {
    const key = await realpath(this.path);
    const shared = sharedLocks.get(key) ?? { lock: lockFolder(key), uses: new Set() };
    if (shared.uses.has(use)) {
      throw new FolderLockedError(
        `The folder ${this.path} is already in use by this process (${use}). Close the other store first.`,
      );
    }
    shared.uses.add(use);
    sharedLocks.set(key, shared);
    let lock: Lock;
    try {
      lock = await shared.lock;
    } catch (error) {
      sharedLocks.delete(key);
      throw error;
    }
    const release = async (): Promise<void> => {
      shared.uses.delete(use);
      if (shared.uses.size > 0) return;
      sharedLocks.delete(key);
      await lock.release();
    };
    return { release };
  }

  /** Returns the path of a file. Throws if the name refers to a file outside the folder. */
  #pathOf(name: string): string {
    if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return join(this.path, name);
    throw new TypeError(`${JSON.stringify(name)} is not the name of a file in ${this.path}.`);
  }
}

/**
 * Creates a folder and its missing parents. Returns the topmost folder that it created, if any.
 * Does not use `mkdir` with the option `recursive`, for two reasons. If the parent is a folder such
 * as `/proc`, in which nothing can be created, that call never returns. On a read-only disk, it
 * reports ENOENT.
 */
async function createFolder(path: string): Promise<string | undefined> {
  const parent = dirname(path);
  const topmost = parent === path || (await isFolder(parent)) ? undefined : await createFolder(parent);
  try {
    await mkdir(path, { mode: 0o700 });
    return topmost ?? path;
  } catch (error) {
    if (await isFolder(path)) return topmost;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/**
 * Opens the folder at `path`. If the folder does not exist, creates it so that only its owner can
 * access it. The folder's name is durable when the promise resolves.
 */
export async function openFolder(path: string): Promise<Folder> {
  if (process.platform === 'win32') {
    throw new Error('Kontiki does not store files on Windows, because their durability has not been tested there.');
  }
  // An empty path would refer to the current directory.
  if (path === '') throw new TypeError('The path of a folder must not be empty.');
  const absolute = resolve(path);
  const created = await createFolder(absolute);
  // Sync the parent of each folder that was created, because a folder's name is stored in its
  // parent.
  for (let at = absolute; created !== undefined && at.length >= created.length; at = dirname(at)) {
    await new NodeFolder(dirname(at)).sync();
  }
  // Another process may have created the folder and died before syncing the parent. If the parent
  // is not readable, a different user created the folder, so there is nothing to sync.
  if (created === undefined) {
    await new NodeFolder(dirname(absolute)).sync().catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EACCES') throw error;
    });
  }
  return new NodeFolder(absolute);
}
