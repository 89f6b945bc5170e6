import { KontikiError } from '@kontiki/core';
import type { AbstractBatchOperation, AbstractBatchOptions, AbstractLevel, AbstractSublevel } from 'abstract-level';
import { failure } from './failure.js';

/** Any database of `abstract-level` 3, whatever its encodings. */
// Its types are invariant in them, so that no other argument stands for all.
export type Database = AbstractLevel<any, any, any>;

type Sublevel = AbstractSublevel<Database, unknown, Uint8Array, Uint8Array>;

export type Operation = AbstractBatchOperation<Sublevel, Uint8Array, Uint8Array>;

export interface LevelOptions {
  /** What tells stores in one database apart: one name a group. Printable ASCII above `"`. Default `kontiki`. */
  readonly name?: string | undefined;
}

/** Prefixes in use, by the database that is no sublevel of another. */
const used = new WeakMap<object, Set<string>>();

/** A store's own part of a database, and nobody else's while it is open. */
export interface Room {
  readonly db: Sublevel;
  /** For people. */
  readonly where: string;
  /** Resolves when all of the operations are durable, all or none of them. */
  readonly write: (operations: Operation[]) => Promise<void>;
  readonly leave: () => Promise<void>;
}

/** Opens the database if it is not open, and takes a part of it. `KONTIKI_LOCKED` when another store has it. */
export async function enter(db: Database, path: readonly string[]): Promise<Room> {
  const where = `${path.join('/')} in the database`;
  let part: Sublevel;
  try {
    await db.open();
    part = db.sublevel<Uint8Array, Uint8Array>([...path], { keyEncoding: 'view', valueEncoding: 'view' });
  } catch (error) {
    throw failure(where, error);
  }
  const release = lock(db, part.prefix, where);
  const leave = async (): Promise<void> => {
    // Closed already, if the database was.
    await part.close().catch(() => {});
    release();
  };
  try {
    await part.open();
  } catch (error) {
    await leave();
    throw failure(where, error);
  }
  // `sync` is an option of those databases that know of it; to the others it says nothing.
  const durably: AbstractBatchOptions<Uint8Array, Uint8Array> & { readonly sync: true } = { sync: true };
  return { db: part, where, write: (operations) => part.batch(operations, durably), leave };
}

/** Fails now, and not when the store is opened, on a name that no part of a database can have. */
export function checkName(name: string): string {
  if (/^[#-~]+$/.test(name)) return name;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `name must consist of printable ASCII above the double quote, without spaces, not ${JSON.stringify(name)}.`,
  );
}

function lock(db: Database, prefix: string, where: string): () => void {
  let root: object & { readonly parent?: object | null } = db as never;
  while (root.parent !== null && root.parent !== undefined) root = root.parent;
  const prefixes = used.get(root) ?? new Set();
  if (prefixes.has(prefix)) {
    throw new KontikiError('KONTIKI_LOCKED', `${where} is in use by this process already.`);
  }
  used.set(root, prefixes.add(prefix));
  return () => prefixes.delete(prefix);
}
