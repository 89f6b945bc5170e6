import { Random } from '../random.js';
import type { LogStoreSuite, LogTests } from './log-context.js';
import {
  baseAt,
  carryOut,
  command,
  difference,
  first,
  lastOf,
  models,
  owner,
  type Call,
  type Model,
} from './log-model.js';
import { withAbility } from './medium.js';
import { script } from './log-script.js';
import { codeOf, until } from './waiting.js';

/** Number of bits to flip, each in a fresh log. */
const FLIPS = 300;

/** Maximum number of appends until a log must report a full medium or a failed operation. */
const MANY = 2_000;

/** Codes of the errors with which a store may reject damaged data. */
const REFUSED = ['KONTIKI_CORRUPT', 'KONTIKI_FORMAT', 'KONTIKI_FOREIGN_DATA', 'KONTIKI_LOST_DATA'];

/** Registers tests on full, failing and damaged media. */
export function testFaults({ expect, testAbility, testMedia }: LogTests, suite: LogStoreSuite): void {
  testAbility('fill', 'a log reports a full medium before writes fail, and still stores ballots', async (medium) => {
    const wait = medium.until?.bind(medium) ?? until;
    const store = medium.store();
    const reports: boolean[] = [];
    await store.open(owner);
    store.onFull((full) => reports.push(full));
    await store.append({ entries: [first] });
    medium.fill(true);
    let last = 1;
    // Append in small steps, with time for background work in between.
    for (let left = MANY; left > 0 && !reports.includes(true); left -= 1) {
      await store.append({ entries: [command((last += 1), 1)] });
      let turned = false;
      void Promise.resolve().then(() => (turned = true));
      await wait(() => turned);
    }
    expect(reports).toEqual([true]);
    const ballot = { term: 5, votedFor: 'b' };
    await store.append({ ballot });
    medium.fill(false);
    await wait(() => reports.length > 1);
    expect(reports).toEqual([true, false]);
    for (let i = 0; i < 100; i += 1) await store.append({ entries: [command((last += 1), 5)] });
    await store.close();
    const state = await medium.store().open(owner);
    expect([state.last, state.ballot]).toEqual([last, ballot]);
  });

  for (const operation of ['write', 'sync'] as const) {
    testAbility(
      'fail',
      `after a failed ${operation}, a log rejects calls but keeps acknowledged entries`,
      async (medium) => {
        const store = medium.store();
        await store.open(owner);
        await store.append({ ballot: { term: 3, votedFor: 'b' }, entries: [first, command(2, 3)] });
        medium.fail(operation);
        let last = 2;
        let code = 'none';
        for (let left = MANY; left > 0 && code === 'none'; left -= 1) {
          const entry = command(last + 1, 3);
          const calls = [store.append({ entries: [entry] }), store.append({ entries: [command(last + 2, 3)] })];
          const codes = await Promise.all(calls.map(codeOf));
          // Once a call has failed, all later calls must fail.
          expect(codes).toEqual(codes.includes('none') ? ['none', codes[1]] : codes);
          code = codes[1] as string;
          last += codes.filter((one) => one === 'none').length;
        }
        expect(code).toEqual('KONTIKI_STORE_FAILED');
        const later = [
          store.append({ entries: [command(last + 1, 3)] }),
          store.append({ ballot: { term: 9, votedFor: 'a' } }),
          store.compact(baseAt(1, 1)),
          store.reset(baseAt(90, 3)),
          store.read(1, 1, Infinity),
        ];
        expect(await Promise.all(later.map(codeOf))).toEqual(later.map(() => 'KONTIKI_STORE_FAILED'));
        const failure: unknown = await store.read(1, 1, Infinity).catch((error: unknown) => error);
        expect((failure as Error).cause instanceof Error).toEqual(true);
        await store.close();
        const next = medium.store();
        const state = await next.open(owner);
        expect([state.last >= last && state.last <= last + 2, state.ballot]).toEqual([
          true,
          { term: 3, votedFor: 'b' },
        ]);
        await next.append({ entries: [command(state.last + 1, 4)] });
        await next.close();
        expect((await medium.store().open(owner)).last).toEqual(state.last + 1);
      },
    );
  }

  testMedia('damage', `a log detects a flipped bit, or loses at most its last write (${FLIPS} bits)`, async () => {
    const calls: Call[] = script.flat();
    const states = models(calls);
    const allowed = states.slice(-2);
    let refused = 0;
    for (let flip = 0; flip < FLIPS; flip += 1) {
      const random = new Random(flip, 'damage');
      const medium = withAbility(await suite.medium(random.next), 'damage');
      try {
        const store = medium.store();
        await store.open(owner);
        for (const group of script) await Promise.all(group.map((call) => carryOut(store, call)));
        await store.close();
        medium.damage();
        const again = medium.store();
        const found = await difference(again, allowed).catch((error: unknown) => ({
          code: (error as { code: unknown }).code,
          error,
        }));
        if ('error' in found) {
          if (!REFUSED.includes(String(found.code))) throw found.error;
          refused += 1;
          await again.close();
          continue;
        }
        expect(found.wrong).toEqual(undefined);
        const last = lastOf(found.model as Model);
        await again.append({ entries: [command(last + 1, 9)] });
        await again.close();
        expect((await medium.store().open(owner)).last).toEqual(last + 1);
      } finally {
        await medium.remove?.();
      }
    }
    // At least one flip must be rejected. Otherwise, all flips might have hit padding.
    expect(refused > 0).toEqual(true);
  });
}
