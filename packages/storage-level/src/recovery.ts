import { KontikiError, type Owner } from '@kontiki/core';
import { Ledger, movedError } from '@kontiki/core/store';
import { decodeBase } from './base.js';
import { decodeBlock } from './block.js';
import { corrupt } from './failure.js';
import { decodeHead, type Head } from './head.js';
import { BASE, HEAD, keyOf, MOVED, OWNER, type Kind } from './keys.js';
import { decodeAll, memberships, terms } from './linked.js';
import { checkOwner } from './owner.js';
import { decodeMoved } from './moved.js';
import type { Room } from './room.js';

/** What opening a database found. */
export interface Recovered {
  readonly ledger: Ledger;
  readonly generation: number;
  /** The checksum of the newest block; 0 when there is none. */
  readonly block: number;
}

/** Reads what a log holds beside its entries, and its last block; `undefined`: nothing is there yet. */
export async function recover(room: Room, owner: Owner): Promise<Recovered | undefined> {
  const { db, where } = room;
  const [held, head, base, moved] = await db.getMany([OWNER, HEAD, BASE, MOVED]);
  if (held === undefined && head === undefined && base === undefined) {
    if ((await db.keys({ limit: 1 }).all()).length === 0) return undefined;
    throw corrupt(where, 'what says whose data it is, is missing');
  }
  if (held === undefined) throw corrupt(where, 'what says whose data it is, is missing');
  checkOwner(OWNER, held, owner, where);
  if (moved !== undefined) throw movedError(`The log in ${where}`, decodeMoved(moved, where));
  return readState(room, decodeHead(head, where), base);
}

async function readState(room: Room, head: Head, encodedBase: Uint8Array | undefined): Promise<Recovered> {
  const { where } = room;
  const { ballot, last, committed, genesis, generation, block } = head;
  const base = decodeBase(encodedBase, where);
  if (base.index !== head.base) {
    throw corrupt(where, `it says that it begins behind entry ${head.base}, and holds the base of ${base.index}`);
  }
  const above = (kind: Kind): Promise<[Uint8Array, Uint8Array][]> =>
    room.db.iterator({ gt: keyOf(kind, generation, base.index), lt: keyOf(kind, generation + 1, 0) }).all();
  const found = {
    terms: decodeAll(terms, await above('term'), { base: base.index, last: head.term }, where),
    memberships: decodeAll(memberships, await above('membership'), { base: base.index, last: head.membership }, where),
  };
  await checkEnd(room, head);
  if (committed > last) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `${where} ends at entry ${last}, but ${committed} was committed here. Restore the database, or remove this server from the cluster and add a new id.`,
    );
  }
  const ledger = new Ledger();
  ledger.restore({ ballot, base, last, committed, genesis }, found.terms, found.memberships);
  return { ledger, generation, block };
}

/** The last block is the one that the head tells of. Those before it are checked when they are read. */
async function checkEnd({ db, where }: Room, { base, last, generation, block }: Head): Promise<void> {
  if (last === base) return;
  const range = { gte: keyOf('block', generation, 0), lt: keyOf('block', generation + 1, 0) };
  const [end] = await db.iterator({ ...range, reverse: true, limit: 1 }).all();
  const found = end && decodeBlock(...end, where);
  if (found?.sum !== block || found.last !== last) {
    throw corrupt(where, `the block of entries that ends at ${last} is lost`);
  }
}
