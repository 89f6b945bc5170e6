import { Random } from '../random.js';
import { withAbility, type Ability, type MediumWith, type Medium } from './medium.js';
import type { Matchers, Runner } from './runner.js';

export interface StoreSuite<Store> {
  /** Stands in the titles. */
  readonly name: string;
  /** A new, blank medium. What it draws at random it draws from `random`, so that a failure repeats itself. */
  readonly medium: (random: () => number) => Medium<Store> | Promise<Medium<Store>>;
  /** What is not to be tested, and why: the reason stands in the title of what is skipped. */
  readonly without?: Readonly<Partial<Record<Ability, string>>> | undefined;
}

/** How the parts of a suite register their tests. */
export interface StoreTests<Store> {
  readonly expect: (actual: unknown) => Matchers;
  /** A test on a new medium. */
  readonly test: (title: string, body: (medium: Medium<Store>, random: Random) => Promise<void>) => void;
  /** One on a medium with an ability, or one whose title says why it is skipped. */
  readonly testAbility: <A extends Ability>(
    ability: A,
    title: string,
    body: (medium: MediumWith<Store, A>, random: Random) => Promise<void>,
  ) => void;
  /** One that makes its places itself. */
  readonly testMedia: (ability: Ability, title: string, body: () => Promise<void>) => void;
}

export function storeTests<Store>({ it, expect }: Runner, suite: StoreSuite<Store>): StoreTests<Store> {
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
    const why = suite.without?.[ability];
    if (why !== undefined) it(`skipped, since ${why}: ${title}`, () => {});
    return why !== undefined;
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
