import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { removeFile } from './remove-file.js';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FolderLockedError, type Lock } from './folder.js';
import { provesDeath, viewOf } from './node-view.js';

/**
 * The name prefix of listening sockets, and of the sockets that dead processes left behind. A name
 * consists of this prefix, a random number, and the view of the process that created the socket
 * (`viewOf`).
 */
const VISIBLE = 'lock-';
const VIEW = /^lock-[0-9a-f]{16}-(.+)$/;
/**
 * The name prefix of sockets that may not be listening yet. Other processes ignore such sockets.
 */
const STARTING = '.starting-';
/**
 * Maximum time for a process to answer, in milliseconds. An unresponsive process may be stopped or
 * busy, so it counts as alive.
 */
const ANSWER_TIMEOUT = 3_000;
/** Maximum length, in bytes, of a Unix socket path that every system accepts. */
const MAX_PATH = 100;

type State = 'contending' | 'held';
type Answer = State | 'refused' | 'gone' | 'silent';

/**
 * Locks a folder against other processes by using a Unix socket in the folder. The socket answers
 * as long as its process lives, because the system closes a process's sockets when the process
 * exits for any reason.
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
 * the lock. A visible socket that refuses connections belongs to a dead process, or to a process
 * that cannot be reached from here (`provesDeath`). The socket of a dead process can be removed
 * safely, because names are never reused.
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const view = await viewOf(folder);
  const id = randomBytes(8).toString('hex');
  const [starting, visible] = [STARTING + id, `${VISIBLE}${id}-${view}`];
  let state: State = 'contending';
  const sockets = new Sockets(folder, view, () => state);
  const release = async (): Promise<void> => {
    // A failing disk must not keep this process from closing. If the socket file remains, it
    // refuses connections after this process has exited, so the next process removes it.
    await unlink(join(folder, visible)).catch(() => {});
    await sockets.close();
  };
  try {
    await sockets.listen(starting);
    await rename(join(folder, starting), join(folder, visible));
    for (const other of await readdir(folder)) {
      if (other.startsWith(VISIBLE) && other !== visible) await sockets.outlast(other, visible);
    }
  } catch (error) {
    await release();
    throw error;
  }
  state = 'held';
  return { release };
}

/** The sockets with which processes lock a folder. They are files in that folder. */
class Sockets {
  readonly #folder: string;
  readonly #view: string;
  /**
   * The file descriptor of the open folder. On Linux, it provides a short path for every socket,
   * even if the folder's own path is long.
   */
  readonly #fd: number;
  readonly #root: string;
  readonly #server: Server;

  /** `view` is the view of this process, and `state` returns the answer that its socket sends. */
  constructor(folder: string, view: string, state: () => State) {
    this.#folder = folder;
    this.#view = view;
    this.#server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(state());
    });
    this.#server.unref();
    this.#fd = openSync(folder, 'r');
    this.#root = process.platform === 'linux' ? `/proc/self/fd/${this.#fd}` : folder;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    closeSync(this.#fd);
  }

  listen(name: string): Promise<void> {
    const path = this.#path(name);
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(this.#failure(error)));
      this.#server.listen(path, () => resolve());
    });
  }

  /**
   * Resolves when the process behind the socket `other` has given up or died. Rejects if that
   * process holds the lock, does not answer, may be alive but unreachable, or is contending with a
   * lower name.
   */
  async outlast(other: string, mine: string): Promise<void> {
    for (const until = Date.now() + ANSWER_TIMEOUT; ; await delay(10)) {
      const answer = await this.#ask(other);
      if (answer === 'gone') return;
      if (answer === 'refused') return this.#removeDead(other);
      const goesFirst = answer === 'contending' && other < mine;
      if (answer === 'contending' && !goesFirst && Date.now() < until) continue;
      throw new FolderLockedError(
        `The folder ${this.#folder} is in use by another process. Stop that process, or use another folder.`,
      );
    }
  }

  async #removeDead(name: string): Promise<void> {
    const path = join(this.#folder, name);
    const [, view = ''] = VIEW.exec(name) ?? [];
    if (provesDeath(view, this.#view)) return removeFile(path);
    throw new FolderLockedError(
      `The folder ${this.#folder} may be in use by a process on another machine, or by a process that reaches the folder through another mount or container. From here that process cannot be told from a dead one. Make sure that it has ended, then remove its lock ${path} and start again.`,
    );
  }

  #ask(name: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket: Socket = connect(this.#path(name));
      socket.setTimeout(ANSWER_TIMEOUT, () => {
        resolve('silent');
        socket.destroy();
      });
      socket.on('data', (data) => (answer += data.toString()));
      socket.on('end', () => resolve(answer === 'contending' ? 'contending' : 'held'));
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') resolve('refused');
        else if (error.code === 'ENOENT') resolve('gone');
        // The process did not accept the connection, or closed it before answering.
        else if (error.code === 'EAGAIN' || error.code === 'ECONNRESET') resolve('silent');
        else reject(this.#failure(error));
      });
    });
  }

  /**
   * Returns a copy of a socket error that names the folder's full path instead of its short path.
   */
  #failure(error: Error): Error {
    error.message = error.message.replace(this.#root, () => this.#folder);
    return error;
  }

  #path(name: string): string {
    const path = join(this.#root, name);
    if (Buffer.byteLength(path) <= MAX_PATH) return path;
    throw new Error(
      `The path ${this.#folder} is too long for a lock. On this system it may have at most ${MAX_PATH - name.length} bytes.`,
    );
  }
}
