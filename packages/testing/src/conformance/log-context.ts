import { Random } from '../random.js';
import { able, type AblePlace, type LogAbility, type LogPlace, type LogStoreSuite } from './log-place.js';
import type { Matchers, Runner } from './runner.js';

/** How the parts of the suite register their tests. */
export interface LogTests {
  readonly expect: (actual: unknown) => Matchers;
  /** A test on a new place. */
  readonly test: (title: string, body: (place: LogPlace, random: Random) => Promise<void>) => void;
  /** One on a place with an ability, or one whose title says why it is skipped. */
  readonly testAble: <A extends LogAbility>(
    ability: A,
    title: string,
    body: (place: AblePlace<A>, random: Random) => Promise<void>,
  ) => void;
  /** One that makes its places itself. */
  readonly testPlaces: (ability: LogAbility, title: string, body: () => Promise<void>) => void;
}

export function logTests({ it, expect }: Runner, suite: LogStoreSuite): LogTests {
  const test: LogTests['test'] = (title, body) =>
    void it(title, async () => {
      const random = new Random(1, title);
      const place = await suite.place(random.next);
      try {
        await body(place, random);
      } finally {
        await place.remove?.();
      }
    });
  const skipped = (ability: LogAbility, title: string): boolean => {
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
