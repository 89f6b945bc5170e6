import type { Owner } from '@kontiki/core';
import { corruptData, LogStateTracker, movedError } from '@kontiki/core/store';
import { decodeBlock } from './block.js';
import { decodeItems, memberships, terms } from './chain.js';
import { BASE, HEAD, keyOf, MOVED, OWNER, type Kind } from './keys.js';
import { decodeHead, type LogHead } from './log-head.js';
import type { Namespace } from './namespace.js';
import { checkOwnerValue, decodeBase, decodeMoved } from './values.js';

/** The log that was found in a database. */
export interface Recovered {
  readonly tracker: LogStateTracker;
  readonly generation: number;
  /** The checksum of the newest block, or 0 if there are no blocks. */
  readonly block: number;
}

/**
 * Recovers the state of a log. Reads only the last block of entries. Resolves with undefined if the
 * log is new.
 */
export async function recover(namespace: Namespace, owner: Owner): Promise<Recovered | undefined> {
  const { db, where } = namespace;
  const [held, head, base, moved] = await db.getMany([OWNER, HEAD, BASE, MOVED]);
  if (held === undefined) {
    const isNew = head === undefined && base === undefined && (await db.keys({ limit: 1 }).all()).length === 0;
    if (isNew) return undefined;
    throw corruptData(where, 'the owner is missing');
  }
  checkOwnerValue(held, owner, where);
  if (moved !== undefined) throw movedError(`The log in ${where}`, decodeMoved(moved, where));
  return readState(namespace, decodeHead(head, where), base);
}

async function readState(namespace: Namespace, head: LogHead, encodedBase: Uint8Array | undefined): Promise<Recovered> {
  const { db, where } = namespace;
  const { ballot, life, last, committed, genesis, generation, block } = head;
  const base = decodeBase(encodedBase, where);
  if (base.index !== head.base) {
    throw corruptData(where, `the base should be entry ${head.base}, but is entry ${base.index}`);
  }
  const above = (kind: Kind): Promise<[Uint8Array, Uint8Array][]> =>
    db.iterator({ gt: keyOf(kind, generation, base.index), lt: keyOf(kind, generation + 1, 0) }).all();
  const found = {
    terms: decodeItems(terms, await above('term'), { base: base.index, last: head.term }, where),
    memberships: decodeItems(
      memberships,
      await above('membership'),
      { base: base.index, last: head.membership },
      where,
    ),
  };
  await checkLastBlock(namespace, head);
  const tracker = new LogStateTracker();
  tracker.restore({ ballot, life, base, last, committed, genesis }, found.terms, found.memberships);
  return { tracker, generation, block };
}

/** Checks that the last block matches the head. Earlier blocks are checked when they are read. */
async function checkLastBlock({ db, where }: Namespace, { base, last, generation, block }: LogHead): Promise<void> {
  if (last === base) return;
  const range = { gte: keyOf('block', generation, 0), lt: keyOf('block', generation + 1, 0) };
  const [end] = await db.iterator({ ...range, reverse: true, limit: 1 }).all();
  const found = end && decodeBlock(...end, where);
  if (found?.checksum !== block || found.last !== last) {
    throw corruptData(where, `the block of entries that ends at ${last} is missing`);
  }
}
