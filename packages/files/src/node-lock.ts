import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from './folder.js';

/** Sockets that listen, or whose process has died. */
const VISIBLE = 'lock-';
/** Sockets that may not listen yet; nobody asks them. */
const STARTING = '.starting-';
/** Milliseconds for a process to answer. One that is stopped or busy does not, and lives. */
const ANSWER_TIMEOUT = 3_000;
/** A Unix socket's path is at most this long on every system. */
const MAX_PATH = 100;

type State = 'contending' | 'held';
type Answer = State | 'dead' | 'silent';

/**
 * Keeps other processes out of a folder by a Unix socket in it, which answers as long as its process lives: the system
 * closes it with the process, however that ends. Everybody listens on a socket of a name never used before, gives it a
 * visible name, and then asks all other visible ones. Of two, the one that looked later sees the other, so:
 * whoever sees a holder gives up; of two contenders the one with the greater name gives up, and the other waits until
 * it has. So at most one holds the folder, and of many that start at once exactly one does. A name whose socket refuses
 * is a dead process's, since visible ones listen, and can be removed, since no name comes twice.
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const sockets = new Sockets(folder);
  const name = randomBytes(8).toString('hex');
  let state: State = 'contending';
  const server = await sockets.listen(STARTING + name, () => state);
  const release = async (): Promise<void> => {
    await rm(join(folder, VISIBLE + name), { force: true });
    await new Promise<void>((resolve) => server.close(() => resolve()));
    sockets.close();
  };
  try {
    await rename(join(folder, STARTING + name), join(folder, VISIBLE + name));
    for (const other of await readdir(folder)) {
      if (other.startsWith(VISIBLE) && other !== VISIBLE + name) await sockets.outlast(other, VISIBLE + name);
    }
  } catch (error) {
    await release();
    throw error;
  }
  state = 'held';
  return { release };
}

/** The sockets of a folder, reached by a short path. */
class Sockets {
  readonly #folder: string;
  /** On Linux a folder is also found under the number it is open as, however long its path. */
  readonly #fd: number;
  readonly #root: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#fd = openSync(folder, 'r');
    this.#root = process.platform === 'linux' ? `/proc/self/fd/${this.#fd}` : folder;
  }

  close(): void {
    closeSync(this.#fd);
  }

  listen(name: string, state: () => State): Promise<Server> {
    const path = this.#path(name);
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(state());
    });
    server.unref();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve(server));
    });
  }

  /** Resolves when `other` is no rival any more; rejects when it holds the folder, or goes first. */
  async outlast(other: string, mine: string): Promise<void> {
    for (const until = Date.now() + ANSWER_TIMEOUT; ; await delay(10)) {
      const answer = await this.#ask(other);
      if (answer === 'dead') return rm(join(this.#folder, other), { force: true });
      const goesFirst = answer === 'contending' && other < mine;
      if (answer === 'contending' && !goesFirst && Date.now() < until) continue;
      throw new FolderLockedError(
        `${this.#folder} is in use by another process. Stop that one, or use another folder.`,
      );
    }
  }

  #ask(name: string): Promise<Answer> {
    return new Promise((resolve) => {
      let answer = '';
      const socket: Socket = connect(this.#path(name));
      socket.setTimeout(ANSWER_TIMEOUT, () => {
        resolve('silent');
        socket.destroy();
      });
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('end', () => resolve(answer === 'contending' ? 'contending' : 'held'));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // Only these two say that nobody is there; any other failure proves nothing.
        resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : 'silent');
      });
    });
  }

  #path(name: string): string {
    const path = join(this.#root, name);
    if (Buffer.byteLength(path) <= MAX_PATH) return path;
    throw new Error(
      `The path ${this.#folder} is too long for a lock; on this system it may have ${MAX_PATH - name.length} bytes.`,
    );
  }
}
