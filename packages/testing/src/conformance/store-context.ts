import { Random } from '../random.js';
import { withAbility, type Ability, type Medium, type MediumWith } from './medium.js';
import type { Matchers, Runner } from './runner.js';

export interface StoreSuite<Store> {
  /** The store's name in test titles. */
  readonly name: string;
  /**
   * Creates a blank medium. It must draw all random numbers from `random`, so that failures are
   * reproducible.
   */
  readonly medium: (random: () => number) => Medium<Store> | Promise<Medium<Store>>;
  /**
   * Optional features that are not tested, each with the reason. The titles of skipped tests
   * contain the reason.
   */
  readonly without?: Readonly<Partial<Record<Ability, string>>> | undefined;
}

/** Functions that the parts of a suite use to register tests. */
export interface StoreTests<Store> {
  readonly expect: (actual: unknown) => Matchers;
  /** Registers a test on a new medium. */
  readonly test: (title: string, body: (medium: Medium<Store>, random: Random) => Promise<void>) => void;
  /**
   * Registers a test on a new medium with a given feature. Skips the test if `without` contains the
   * feature.
   */
  readonly testAbility: <A extends Ability>(
    ability: A,
    title: string,
    body: (medium: MediumWith<Store, A>, random: Random) => Promise<void>,
  ) => void;
  /**
   * Registers a test that creates its own media. Skips the test if `without` contains the feature.
   */
  readonly testMedia: (ability: Ability, title: string, body: () => Promise<void>) => void;
}

export function storeTests<Store>({ it, expect, skip }: Runner, suite: StoreSuite<Store>): StoreTests<Store> {
  const test: StoreTests<Store>['test'] = (title, body) =>
    void it(title, async () => {
      const random = new Random(1, title);
      const medium = await suite.medium(random.next);
      try {
        await body(medium, random);
      } finally {
        await medium.remove?.();
      }
    });
  const skipped = (ability: Ability, title: string): boolean => {
    const reason = suite.without?.[ability];
    if (reason !== undefined) skip(title, reason);
    return reason !== undefined;
  };
  return {
    expect,
    test,
    testAbility: (ability, title, body) => {
      if (!skipped(ability, title)) test(title, (medium, random) => body(withAbility(medium, ability), random));
    },
    testMedia: (ability, title, body) => {
      if (!skipped(ability, title)) it(title, body);
    },
  };
}
