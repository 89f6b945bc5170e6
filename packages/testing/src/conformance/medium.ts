import type { Crash } from '../simulated-disk.js';

/**
 * The medium on which one store keeps its data: a folder, a database, memory. The data outlives the
 * processes that use the store. A suite restarts and crashes these processes, and makes the medium
 * fail. All methods except `store` are optional. For each missing ability the suite's option
 * `without` must give the reason. The suite then skips the tests that need the ability.
 */
export interface Medium<Store> {
  /** Creates a store on this data, not opened yet, as a process does that has just started. */
  store(): Store;
  /**
   * Crashes the process, or cuts the power, now. All calls of earlier stores reject or never
   * settle, and change nothing any more. Their locks are released. Cancels `crashAt`.
   */
  crash?(kind: Crash): void;
  /**
   * Schedules a crash before the nth operation from now that changes the medium. 1 is the next one,
   * and it is not carried out. Resolves after the crash.
   */
  crashAt?(operation: number, kind: Crash): Promise<void>;
  /**
   * Fills the medium, or makes room again. While it is full, only allocated space can be written.
   */
  fill?(full: boolean): void;
  /** Makes the next write, or the next sync, fail. */
  fail?(operation: 'write' | 'sync'): void;
  /**
   * Flips one bit. Called while no store is open. Must spare the bytes that the newest sync made
   * durable, because no store can distinguish damage to these from a write torn by a crash.
   */
  damage?(): void;
  /** Returns the number of writes and syncs so far. */
  operations?(): number;
  /**
   * Resolves when the condition holds, and rejects if it does not hold in time. For media on
   * virtual time. Default: checks it for 20 seconds of real time.
   */
  until?(condition: () => boolean): Promise<void>;
  /** Called after the test. */
  remove?(): void | Promise<void>;
}

interface Methods {
  readonly crash: 'crash' | 'crashAt';
  readonly fill: 'fill';
  readonly fail: 'fail';
  readonly damage: 'damage';
  readonly operations: 'operations';
  /** An ability of the store, so the medium needs no method. */
  readonly retire: never;
}

/** An optional ability of a medium, or of the store on it. */
export type Ability = keyof Methods;

const METHODS: { readonly [A in Ability]: readonly Methods[A][] } = {
  crash: ['crash', 'crashAt'],
  fill: ['fill'],
  fail: ['fail'],
  damage: ['damage'],
  operations: ['operations'],
  retire: [],
};

/** A medium with all methods of an ability. */
export type MediumWith<Store, A extends Ability> = Medium<Store> & Required<Pick<Medium<Store>, Methods[A]>>;

/** Returns the medium. Throws if it lacks a method of the ability. */
export function withAbility<Store, A extends Ability>(medium: Medium<Store>, ability: A): MediumWith<Store, A> {
  const missing = METHODS[ability].find((method) => medium[method] === undefined);
  if (missing === undefined) return medium as MediumWith<Store, A>;
  throw new Error(`The medium has no ${missing}(). Add it, or give the reason: without: { ${ability}: '…' }.`);
}
