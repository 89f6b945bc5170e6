import type { Crash } from '../simulated-disk.js';

/**
 * The medium on which one store keeps its data: a folder, a database, or memory. The data outlives
 * the processes that use the store. A suite restarts and crashes these processes, and makes the
 * medium fail. All methods except `store` are optional. If a medium lacks one of these methods, the
 * suite's option `without` must give the reason. The suite then skips the tests that need the
 * method.
 */
export interface Medium<Store> {
  /** Creates a store on this data without opening it, as a newly started process would. */
  store(): Store;
  /**
   * Crashes the process or cuts the power immediately. From then on, calls to earlier stores reject
   * or never settle, and change nothing. The locks of these stores are released. Cancels `crashAt`.
   */
  crash?(kind: Crash): void;
  /**
   * Schedules a crash before one of the next operations that change the medium. If `operation` is
   * 1, the crash happens before the next operation. Resolves after the crash.
   */
  crashAt?(operation: number, kind: Crash): Promise<void>;
  /**
   * Fills the medium or frees space again. While the medium is full, stores can write only to
   * allocated space.
   */
  fill?(full: boolean): void;
  /** Makes the next write or sync fail. */
  fail?(operation: 'write' | 'sync'): void;
  /**
   * Flips one bit. Called only while no store is open. Must spare the bytes that the newest sync
   * made durable, because no store can distinguish damage to them from a torn write.
   */
  damage?(): void;
  /** Returns the number of writes and syncs so far. */
  operations?(): number;
  /**
   * Resolves when a condition becomes true. Rejects if that does not happen within some time limit.
   * Needed only for media on virtual time. Default: checks the condition for 20 seconds of real
   * time.
   */
  until?(condition: () => boolean): Promise<void>;
  /** Called after the test to remove the medium. */
  remove?(): void | Promise<void>;
}

interface Methods {
  readonly crash: 'crash' | 'crashAt';
  readonly fill: 'fill';
  readonly fail: 'fail';
  readonly damage: 'damage';
  readonly operations: 'operations';
  /** Retiring a log is an optional feature of the store. It needs no method of the medium. */
  readonly retire: never;
}

/** A feature that is optional for a medium, or for the store on it. */
export type Ability = keyof Methods;

const METHODS: { readonly [A in Ability]: readonly Methods[A][] } = {
  crash: ['crash', 'crashAt'],
  fill: ['fill'],
  fail: ['fail'],
  damage: ['damage'],
  operations: ['operations'],
  retire: [],
};

/** A medium that has all methods needed for a given feature. */
export type MediumWith<Store, A extends Ability> = Medium<Store> & Required<Pick<Medium<Store>, Methods[A]>>;

/** Returns the medium. Throws if the medium lacks a method needed for the feature. */
export function withAbility<Store, A extends Ability>(medium: Medium<Store>, ability: A): MediumWith<Store, A> {
  const missing = METHODS[ability].find((method) => medium[method] === undefined);
  if (missing === undefined) return medium as MediumWith<Store, A>;
  throw new Error(`The medium has no ${missing}(). Add it, or give the reason: without: { ${ability}: '…' }.`);
}
