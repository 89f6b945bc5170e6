import type { ServerId } from '../log/server.js';
import type { Header, Server } from './role.js';

type Reporter = Pick<Server, 'now' | 'timings' | 'reportOnce'>;

/** The newest life of a server's store, and the time when it was first heard of. */
interface Heard {
  readonly header: Header;
  readonly at: number;
}

/** Number of servers that are remembered, twice as many as a membership may have. */
const REMEMBERED = 64;

/** Election timeouts for which messages of an earlier life may still be under way. */
const UNDER_WAY = 10;

/**
 * Notices copies of a disk: a store whose starts go back was restored from an earlier copy, and two
 * servers with the same start run on clones of one folder. Both have forgotten votes and
 * acknowledgements. A copy that runs alone after all others have restarted cannot be noticed.
 */
export class Lives {
  readonly #server: Reporter;
  readonly #newest = new Map<ServerId, Heard>();

  constructor(server: Reporter) {
    this.#server = server;
  }

  /** Returns whether to process a message. Reports a copy. */
  accepts(from: ServerId, header: Header): boolean {
    const { store, starts = 0, incarnation } = header;
    if (store === undefined) return true;
    const { now, timings } = this.#server;
    const known = this.#newest.get(from);
    const newest = known?.header.store === store ? (known.header.starts ?? 0) : 0;
    if (known === undefined || starts > newest) {
      this.#remember(from, { header, at: now });
      return true;
    }
    if (starts === newest) {
      if (incarnation === known.header.incarnation) return true;
      this.#server.reportOnce({ kind: 'clonedStore', peer: from });
    } else if (now - known.at > UNDER_WAY * timings.election) {
      this.#server.reportOnce({ kind: 'restoredCopy', peer: from });
    }
    return false;
  }

  /**
   * Forgets the server that was remembered first if there are too many, since any may claim to be a
   * new one.
   */
  #remember(from: ServerId, heard: Heard): void {
    const [oldest] = this.#newest.keys();
    if (oldest !== undefined && this.#newest.size >= REMEMBERED && !this.#newest.has(from)) this.#newest.delete(oldest);
    this.#newest.set(from, heard);
  }
}
