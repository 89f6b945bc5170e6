import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from './folder.js';

/** Prefix of the sockets that listen, and of those of dead processes. */
const VISIBLE = 'lock-';
/** Prefix of the sockets that may not listen yet. Other processes ignore them. */
const STARTING = '.starting-';
/**
 * Milliseconds for a process to answer. A process that does not answer may be stopped or busy, so
 * it counts as alive.
 */
const ANSWER_TIMEOUT = 3_000;
/** Bytes of a path that every system accepts for a Unix socket. */
const MAX_PATH = 100;

type State = 'contending' | 'held';
type Answer = State | 'dead' | 'silent';

/**
 * Locks a folder against other processes with a Unix socket in it. The socket answers as long as
 * its process lives, because the system closes the sockets of a process that ends in any way.
 *
 * Every process that wants the lock listens on a socket with a name that was never used before. It
 * then gives the socket a visible name and asks all other visible sockets. Of two processes, the
 * one that lists the folder later sees the other:
 *
 * - If the other process holds the lock, this process gives up.
 * - If both still contend, the process with the greater name gives up, and the other waits until it
 *   has.
 *
 * So at most one process holds the lock, and of many that start at once exactly one gets it. A
 * visible socket that refuses connections belongs to a dead process. Its name can be removed,
 * because no name is used twice.
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

/** The sockets in a folder. */
class Sockets {
  readonly #folder: string;
  /**
   * The open folder. On Linux its descriptor gives every socket a short path, however long the path
   * of the folder is.
   */
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

  /**
   * Resolves when `other` has given up or died. Rejects if it holds the lock, or has the lower
   * name.
   */
  async outlast(other: string, mine: string): Promise<void> {
    for (const until = Date.now() + ANSWER_TIMEOUT; ; await delay(10)) {
      const answer = await this.#ask(other);
      if (answer === 'dead') return rm(join(this.#folder, other), { force: true });
      const goesFirst = answer === 'contending' && other < mine;
      if (answer === 'contending' && !goesFirst && Date.now() < until) continue;
      throw new FolderLockedError(
        `The folder ${this.#folder} is in use by another process. Stop that process, or use another folder.`,
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
        // Only these two errors prove that no process listens.
        resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : 'silent');
      });
    });
  }

  #path(name: string): string {
    const path = join(this.#root, name);
    if (Buffer.byteLength(path) <= MAX_PATH) return path;
    throw new Error(
      `The path ${this.#folder} is too long for a lock. On this system it may have at most ${MAX_PATH - name.length} bytes.`,
    );
  }
}
