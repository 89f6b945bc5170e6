import { Random } from '../random.js';
import { able, type Ability, type AblePlace, type Place } from './place.js';
import type { Matchers, Runner } from './runner.js';

export interface StoreSuite<Store> {
  /** Stands in the titles. */
  readonly name: string;
  /** A new, blank place. What it draws at random it draws from `random`, so that a failure repeats itself. */
  readonly place: (random: () => number) => Place<Store> | Promise<Place<Store>>;
  /** What is not to be tested, and why: the reason stands in the title of what is skipped. */
  readonly without?: Readonly<Partial<Record<Ability, string>>> | undefined;
}

/** How the parts of a suite register their tests. */
export interface StoreTests<Store> {
  readonly expect: (actual: unknown) => Matchers;
  /** A test on a new place. */
  readonly test: (title: string, body: (place: Place<Store>, random: Random) => Promise<void>) => void;
  /** One on a place with an ability, or one whose title says why it is skipped. */
  readonly testAble: <A extends Ability>(
    ability: A,
    title: string,
    body: (place: AblePlace<Store, A>, random: Random) => Promise<void>,
  ) => void;
  /** One that makes its places itself. */
  readonly testPlaces: (ability: Ability, title: string, body: () => Promise<void>) => void;
}

export function storeTests<Store>({ it, expect }: Runner, suite: StoreSuite<Store>): StoreTests<Store> {
  const test: StoreTests<Store>['test'] = (title, body) =>
    void it(title, async () => {
      const random = new Random(1, title);
      const place = await suite.place(random.next);
      try {
        await body(place, random);
      } finally {
        await place.remove?.();
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
    testAble: (ability, title, body) => {
      if (!skipped(ability, title)) test(title, (place, random) => body(able(place, ability), random));
    },
    testPlaces: (ability, title, body) => {
      if (!skipped(ability, title)) it(title, body);
    },
  };
}
