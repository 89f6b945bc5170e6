import { KontikiError } from '@kontiki/core';
import type { AbstractBatchOperation, AbstractBatchOptions, AbstractLevel, AbstractSublevel } from 'abstract-level';

// `any` is necessary, because the types of `abstract-level` are invariant in these parameters.
type AnyLevel = AbstractLevel<any, any, any>;

/**
 * Any `abstract-level` 3 database, with any encodings. This type contains only the members whose
 * types are the same in all databases. Before version 7, TypeScript does not accept a `Level` as an
 * `AbstractLevel` with different type parameters.
 */
export type Database = Pick<AnyLevel, 'status' | 'supports' | 'open' | 'close'>;

type Sublevel = AbstractSublevel<AnyLevel, unknown, Uint8Array, Uint8Array>;

export type Operation = AbstractBatchOperation<Sublevel, Uint8Array, Uint8Array>;

/** Returns the number of free bytes on a database's disk, or `Infinity` if it is unknown. */
export type FreeBytes = () => Promise<number>;

export interface LevelOptions {
  /**
   * A name that keeps the stores of different groups in one database apart. Must consist of
   * printable ASCII characters above `"`. Default `kontiki`.
   */
  readonly name?: string | undefined;
  /**
   * Returns the number of free bytes on the disk. By default, measures the disk in Node.js if the
   * database is in a folder. For any other database, the number is unknown, and the disk counts as
   * never full.
   */
  readonly freeBytes?: FreeBytes | undefined;
}

/** The sublevel prefixes in use, per root database. */
const prefixesInUse = new WeakMap<object, Set<string>>();

// Databases without the option `sync` ignore it.
const DURABLY: AbstractBatchOptions<Uint8Array, Uint8Array> & { readonly sync: true } = { sync: true };

/**
 * The part of a database that one store uses. While a namespace is open, no other store in this
 * process can open it.
 */
export class Namespace {
  readonly db: Sublevel;
  /** A description of the location, for error messages. */
  readonly where: string;
  readonly #release: () => void;

  private constructor(db: Sublevel, where: string, release: () => void) {
    this.db = db;
    this.where = where;
    this.#release = release;
  }

  /**
   * Opens the database if necessary, and then opens the sublevel. Rejects with `KONTIKI_LOCKED` if
   * the sublevel is in use.
   */
  static async open(database: Database, path: readonly string[]): Promise<Namespace> {
    await database.open();
    const views = { keyEncoding: 'view', valueEncoding: 'view' };
    const db = (database as AnyLevel).sublevel<Uint8Array, Uint8Array>([...path], views);
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

  /** Writes all operations atomically. Resolves when they are durable. */
  write(operations: Operation[]): Promise<void> {
    return this.db.batch(operations, DURABLY);
  }

  async close(): Promise<void> {
    // Closing fails if the database is already closed, in which case nothing needs to be done.
    await this.db.close().catch(() => {});
    this.#release();
  }
}

/** Returns a description of a sublevel's location, for error messages. */
export function placeOf(path: readonly string[]): string {
  return `sublevel ${path.join('/')}`;
}

/** Returns `name`. Throws `KONTIKI_BAD_OPTION` if it is not a valid sublevel name. */
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
