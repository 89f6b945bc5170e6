import type { Crash } from '../simulated-disk.js';

/**
 * Where the data of one store lies, through all lives of the process that uses it. What a medium cannot do it leaves out,
 * and the suite says what it skips for that.
 */
export interface Medium<Store> {
  /** A store on what lies here, as a process that has just started makes it: not opened yet. */
  store(): Store;
  /** Crashes now. What was opened before is dead: its calls end in an error, or never. Disarms `crashAt`. */
  crash?(kind: Crash): void;
  /** Arms a crash before the operation of this number, counted from now, 1 is the next. Resolves when it has crashed. */
  crashAt?(operation: number, kind: Crash): Promise<void>;
  /** From now on nothing more fits, or something does again. What was allocated before can still be written. */
  fill?(full: boolean): void;
  /** The next write, or the next sync, fails. */
  fail?(operation: 'write' | 'sync'): void;
  /** Flips one bit of what was durable here before the newest sync. Called while no store is open. */
  damage?(): void;
  /** Writes and syncs so far. */
  operations?(): number;
  /** Waits until a condition holds, and throws when it never does. Default: looks at it for 20 seconds. */
  until?(condition: () => boolean): Promise<void>;
  /** Called when the test is over. */
  remove?(): void | Promise<void>;
}

interface Methods {
  readonly crash: 'crash' | 'crashAt';
  readonly fill: 'fill';
  readonly fail: 'fail';
  readonly damage: 'damage';
  readonly operations: 'operations';
  /** Of the store, not of its medium. */
  readonly retire: never;
}

/** What a medium, or the store on it, may be unable to do. */
export type Ability = keyof Methods;

const METHODS: { readonly [A in Ability]: readonly Methods[A][] } = {
  crash: ['crash', 'crashAt'],
  fill: ['fill'],
  fail: ['fail'],
  damage: ['damage'],
  operations: ['operations'],
  retire: [],
};

/** A medium that can do it. */
export type MediumWith<Store, A extends Ability> = Medium<Store> & Required<Pick<Medium<Store>, Methods[A]>>;

/** The same medium; throws if it cannot do it. */
export function withAbility<Store, A extends Ability>(medium: Medium<Store>, ability: A): MediumWith<Store, A> {
  const missing = METHODS[ability].find((method) => medium[method] === undefined);
  if (missing === undefined) return medium as MediumWith<Store, A>;
  throw new Error(`The medium has no ${missing}(). Give it one, or say why not: without: { ${ability}: '…' }.`);
}
