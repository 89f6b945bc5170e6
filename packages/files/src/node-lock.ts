import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from './folder.js';

/** Name prefix of listening sockets, and of the sockets that dead processes left behind. */
const VISIBLE = 'lock-';
/** Name prefix of sockets that may not be listening yet. Other processes ignore these sockets. */
const STARTING = '.starting-';
/**
 * Time limit for a process to answer, in milliseconds. An unresponsive process may be stopped or
 * busy, so it counts as alive.
 */
const ANSWER_TIMEOUT = 3_000;
/** Maximum length, in bytes, of a Unix socket path that every system accepts. */
const MAX_PATH = 100;

type State = 'contending' | 'held';
type Answer = State | 'dead' | 'silent';

/**
 * Locks a folder against other processes by means of a Unix socket in the folder. The socket
 * answers as long as its process lives, because the system closes a process's sockets when the
 * process exits for any reason.
 *
 * Every process that wants the lock listens on a socket with a unique name. The process then gives
 * the socket a visible name, lists the folder, and queries all other visible sockets. Of two
 * processes, the one that lists the folder later sees the other process's socket:
 *
 * - If the other process holds the lock, this process gives up.
 * - If both processes are still contending, the one with the greater name gives up, and the other
 *   waits for that.
 *
 * So at most one process holds the lock. If many processes start at the same time, exactly one gets
 * the lock. A visible socket that refuses connections belongs to a dead process. The socket can be
 * removed safely, because names are never reused.
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

/** The lock sockets in a folder. */
class Sockets {
  readonly #folder: string;
  /**
   * Descriptor of the open folder. On Linux it gives every socket a short path, even if the path of
   * the folder is long.
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
   * Resolves when `other` has given up or died. Rejects if `other` holds the lock, does not answer,
   * or is contending with a lower name.
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
        // Only these two errors prove that no process is listening.
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
