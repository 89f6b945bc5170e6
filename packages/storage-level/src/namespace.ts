import { KontikiError } from '@kontiki/core';
import type { AbstractBatchOperation, AbstractBatchOptions, AbstractLevel, AbstractSublevel } from 'abstract-level';

/** Any database of `abstract-level` 3, whatever its encodings. */
// The types of `abstract-level` are invariant in these parameters, so only `any` accepts every
// database.
export type Database = AbstractLevel<any, any, any>;

type Sublevel = AbstractSublevel<Database, unknown, Uint8Array, Uint8Array>;

export type Operation = AbstractBatchOperation<Sublevel, Uint8Array, Uint8Array>;

export interface LevelOptions {
  /**
   * Separates the stores in one database: one name per group. Printable ASCII above `"`. Default
   * `kontiki`.
   */
  readonly name?: string | undefined;
}

/** The sublevel prefixes in use, per root database. */
const prefixesInUse = new WeakMap<object, Set<string>>();

// Databases that have no option `sync` ignore it.
const DURABLY: AbstractBatchOptions<Uint8Array, Uint8Array> & { readonly sync: true } = { sync: true };

/**
 * The sublevel of one store in a database. No other store of this process uses the sublevel while
 * it is open.
 */
export class Namespace {
  readonly db: Sublevel;
  /** Names the place for people. */
  readonly where: string;
  readonly #release: () => void;

  private constructor(db: Sublevel, where: string, release: () => void) {
    this.db = db;
    this.where = where;
    this.#release = release;
  }

  /**
   * Opens the database if it is not open, and then the sublevel. Rejects with `KONTIKI_LOCKED` if
   * that is in use.
   */
  static async open(database: Database, path: readonly string[]): Promise<Namespace> {
    await database.open();
    const db = database.sublevel<Uint8Array, Uint8Array>([...path], { keyEncoding: 'view', valueEncoding: 'view' });
    const where = placeOf(path);
    const namespace = new Namespace(db, where, lock(database, db.prefix, where));
    try {
      await db.open();
      return namespace;
    } catch (error) {
      await namespace.close();
      throw error;
    }
  }

  /**
   * Resolves when all of the operations are durable. After a crash either all or none of them are
   * found.
   */
  write(operations: Operation[]): Promise<void> {
    return this.db.batch(operations, DURABLY);
  }

  async close(): Promise<void> {
    // Closing fails if the database is closed already. Then there is nothing to do.
    await this.db.close().catch(() => {});
    this.#release();
  }
}

/** Names the place of a sublevel for people. */
export function placeOf(path: readonly string[]): string {
  return `sublevel ${path.join('/')}`;
}

/** Returns `name`. Throws `KONTIKI_BAD_OPTION` if no sublevel can have the name. */
export function checkName(name: string): string {
  if (/^[#-~]+$/.test(name)) return name;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `name must consist of printable ASCII characters above the double quote, without spaces, not ${JSON.stringify(name)}.`,
  );
}

function lock(database: Database, prefix: string, where: string): () => void {
  let root: object & { readonly parent?: object | null } = database as never;
  while (root.parent !== null && root.parent !== undefined) root = root.parent;
  const prefixes = prefixesInUse.get(root) ?? new Set();
  if (prefixes.has(prefix)) {
    throw new KontikiError(
      'KONTIKI_LOCKED',
      `The ${where} of this database is already in use by this process. Close the other store, or use another name.`,
    );
  }
  prefixesInUse.set(root, prefixes.add(prefix));
  return () => prefixes.delete(prefix);
}
