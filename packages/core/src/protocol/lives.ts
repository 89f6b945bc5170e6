import type { ServerId, StoreId } from '../log/server.js';
import type { Header, Server } from './role.js';

type Reporter = Pick<Server, 'now' | 'timings' | 'reportOnce'>;

/**
 * The newest life of a server's store, and the time at which the first message from that life
 * arrived. A life is the period from one start of the server on this store to the next.
 */
interface Heard {
  readonly header: Header;
  readonly at: number;
}

/** Maximum number of stores to remember: several for each server of a large membership. */
const REMEMBERED = 256;

/** Number of election timeouts during which messages from an earlier life are still expected. */
const UNDER_WAY = 10;

/**
 * Detects copies of a server's disk from the number of starts that each store records. If the count
 * decreases, the store was restored from an earlier copy. If two servers have the same count, they
 * run on clones of one data folder. Both kinds of copies have forgotten votes and acknowledgements.
 * A copy cannot be detected if all other servers have restarted and the original disk is no longer
 * in use.
 */
export class Lives {
  readonly #server: Reporter;
  /**
   * The newest life of each store. A server may have had several stores, and messages from an earlier
   * one may still arrive.
   */
  readonly #newest = new Map<StoreId, Heard>();

  constructor(server: Reporter) {
    this.#server = server;
  }

  /**
   * Returns whether to process a message. Reports the disk that the message comes from if it is a
   * copy.
   */
  accepts(from: ServerId, header: Header): boolean {
    const { store, starts = 0, incarnation } = header;
    if (store === undefined) return true;
    const { now, timings } = this.#server;
    const known = this.#newest.get(store);
    const newest = known?.header.starts ?? 0;
    if (known === undefined || starts > newest) {
      this.#remember(store, { header, at: now });
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
   * Stores the newest life of a store. If there are too many stores, discards the oldest one, because
   * senders can claim to have ever new stores.
   */
  #remember(store: StoreId, heard: Heard): void {
    const [oldest] = this.#newest.keys();
    if (oldest !== undefined && this.#newest.size >= REMEMBERED && !this.#newest.has(store))
      this.#newest.delete(oldest);
    this.#newest.set(store, heard);
  }
}
