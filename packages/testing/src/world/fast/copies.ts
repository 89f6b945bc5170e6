import type { ServerId } from '@kontiki/core';
import type { Counts } from '../counts.js';
import type { DiskCopy } from './disk.js';
import type { HeardLives } from './heard-lives.js';

/** A server whose disk may be replaced by an older copy of itself. */
interface Target {
  readonly id: ServerId;
  readonly up: boolean;
  readonly disk: { readonly isCopy: boolean; backUp(): DiskCopy | undefined };
  /** How often each peer's store has been started, as far as the running process has heard. */
  readonly heard: HeardLives;
  /** Replaces the disk with a copy and starts the server. */
  restore(copy: DiskCopy): void;
  crash(kind: 'kill'): void;
}

/**
 * Copies the disks of servers, and restores old copies by mistake.
 *
 * Only running servers remember how often a peer's store was started. A server therefore runs on a
 * copy only while all other running servers have heard of a start that is newer than the copy. When
 * the server crashes or another server starts, an operator empties the disk.
 */
export class Copies {
  readonly #servers: () => readonly Target[];
  readonly #counts: () => Counts;
  readonly #copies = new Map<ServerId, DiskCopy>();

  constructor(servers: () => readonly Target[], counts: () => Counts) {
    this.#servers = servers;
    this.#counts = counts;
  }

  backUp(id: ServerId): void {
    const copy = this.#server(id).disk.backUp();
    if (copy !== undefined) this.#copies.set(id, copy);
  }

  /** Starts a server on its copy, but only if the other servers must notice that it is a copy. */
  restore(id: ServerId): void {
    const copy = this.#copies.get(id);
    if (copy === undefined) return;
    const next = { id: copy.life.id, starts: copy.life.starts + 1 };
    if (this.#servers().some((other) => other.id !== id && other.up && !other.heard.knows(next))) return;
    this.#counts().restoredCopies += 1;
    this.#server(id).restore(copy);
  }

  /** Stops all servers on copies, except for the server that starts. */
  stop(starting?: Target): void {
    for (const server of this.#servers()) if (server.disk.isCopy && server !== starting) server.crash('kill');
  }

  #server(id: ServerId): Target {
    return this.#servers().find((server) => server.id === id) as Target;
  }
}
