import type { LogStore } from '@kontiki/core';
import { Random } from '../random.js';
import type { LogTests } from './log-context.js';
import {
  baseAt,
  carryOut,
  command,
  commands,
  difference,
  first,
  membershipEntry,
  models,
  owner,
  type Call,
  type Model,
} from './log-model.js';
import type { Medium } from './medium.js';
import { drawScript, script } from './log-script.js';
import { plain } from './plain.js';

/**
 * Registers tests for the effects of sequential and overlapping calls, and of the state after a
 * restart.
 */
export function testCalls({ expect, test, testAbility }: LogTests): void {
  /**
   * Closes a log and opens its data in a new log. Compares the new log with the model and returns
   * it.
   */
  const reopen = async (medium: Medium<LogStore>, store: LogStore, model: Model): Promise<LogStore> => {
    await store.close();
    const next = medium.store();
    expect((await difference(next, [model])).wrong).toEqual(undefined);
    return next;
  };

  test('a new log is blank and stays blank after a restart', async (medium) => {
    const blank = {
      ballot: undefined,
      base: { index: 0, term: 0, membership: undefined, genesis: undefined },
      last: 0,
      terms: [],
      memberships: [],
      committed: 0,
      genesis: undefined,
      repairs: [],
    };
    const store = medium.store();
    expect(plain(await store.open(owner))).toEqual(plain(blank));
    expect(await store.read(1, 9, Infinity)).toEqual([]);
    await store.close();
    expect(plain(await medium.store().open(owner))).toEqual(plain(blank));
  });

  for (const seed of [0, 1, 2, 3]) {
    test(`open reports the whole state of a log after every step (script ${seed})`, async (medium) => {
      let store = medium.store();
      await store.open(owner);
      const done: Call[] = [];
      for (const group of seed === 0 ? script : drawScript(new Random(seed, 'steps'), 30)) {
        await Promise.all(group.map((call) => carryOut(store, call)));
        done.push(...group);
        store = await reopen(medium, store, models(done).at(-1) as Model);
      }
    });
  }

  test('open reports no repairs after a clean close', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first, command(2, 1)] });
    await store.close();
    expect((await medium.store().open(owner)).repairs).toEqual([]);
  });

  test('append truncates the whole suffix that it replaces', async (medium) => {
    const store = medium.store();
    const calls: Call[] = [
      {
        kind: 'append',
        write: { entries: [first, ...commands(2, 4, 1), membershipEntry(5, 2), ...commands(6, 9, 2)] },
      },
      { kind: 'append', write: { entries: [command(4, 3)] } },
    ];
    await store.open(owner);
    for (const call of calls) await carryOut(store, call);
    expect(plain(await store.read(1, 99, Infinity))).toEqual(plain([first, ...commands(2, 3, 1), command(4, 3)]));
    await reopen(medium, store, models(calls).at(-1) as Model);
  });

  test('append, compact and reset keep the ballot and the life', async (medium) => {
    const calls: Call[] = [
      { kind: 'append', write: { ballot: { term: 5, votedFor: 'c' }, entries: [first, ...commands(2, 5, 4)] } },
      { kind: 'append', write: { life: { id: 9, starts: 3 } } },
      { kind: 'compact', base: baseAt(3, 4) },
      { kind: 'reset', base: baseAt(40, 5) },
    ];
    let store = medium.store();
    await store.open(owner);
    for (const [i, call] of calls.entries()) {
      await carryOut(store, call);
      store = await reopen(medium, store, models(calls.slice(0, i + 1)).at(-1) as Model);
    }
    await store.append({ ballot: { term: 6, votedFor: undefined } });
    await store.close();
    expect(plain((await medium.store().open(owner)).ballot)).toEqual({ term: 6 });
  });

  test('reset moves the end of a log backward or forward', async (medium) => {
    const calls: Call[] = [
      { kind: 'append', write: { entries: [first, ...commands(2, 9, 1)] } },
      { kind: 'reset', base: baseAt(6, 2) },
      { kind: 'append', write: { entries: commands(7, 8, 3) } },
      { kind: 'reset', base: baseAt(30, 4) },
      { kind: 'append', write: { entries: commands(31, 32, 4) } },
    ];
    let store = medium.store();
    await store.open(owner);
    for (const [i, call] of calls.entries()) {
      await carryOut(store, call);
      store = await reopen(medium, store, models(calls.slice(0, i + 1)).at(-1) as Model);
    }
  });

  test('a log compacted to its end accepts appends and ignores an older base', async (medium) => {
    const calls: Call[] = [
      { kind: 'append', write: { entries: [first, ...commands(2, 20, 1)] } },
      { kind: 'compact', base: baseAt(20, 1) },
      { kind: 'compact', base: baseAt(7, 1) },
      { kind: 'append', write: { entries: commands(21, 22, 1) } },
    ];
    const store = medium.store();
    await store.open(owner);
    for (const call of calls) await carryOut(store, call);
    expect(plain(await store.read(21, 99, Infinity))).toEqual(plain(commands(21, 22, 1)));
    await reopen(medium, store, models(calls).at(-1) as Model);
  });

  test('overlapping calls take effect and resolve in call order', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    const calls: Call[] = [{ kind: 'append', write: { entries: [first] } }];
    for (let round = 0; round < 8; round += 1) {
      const [at, term] = [2 + 10 * round, 2 * round + 1];
      calls.push(
        { kind: 'append', write: { entries: commands(at, at + 4, term) } },
        {
          kind: 'append',
          write: { entries: commands(at + 2, at + 3, term + 1), ballot: { term: term + 1, votedFor: 'b' } },
        },
        { kind: 'append', write: { ballot: { term: term + 1, votedFor: 'a' } } },
        { kind: 'append', write: { entries: commands(at + 4, at + 6, term + 1) } },
      );
      calls.push(
        round % 3 === 2
          ? { kind: 'reset', base: baseAt(at + 9, term + 1) }
          : { kind: 'append', write: { entries: commands(at + 7, at + 9, term + 1) } },
      );
    }
    const order: number[] = [];
    await Promise.all(calls.map((call, i) => carryOut(store, call).then(() => order.push(i))));
    expect(order).toEqual(calls.map((_, i) => i));
    await reopen(medium, store, models(calls).at(-1) as Model);
  });

  testAbility('operations', 'appending only a commit index causes no write or sync', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first, command(2, 1)] });
    const before = medium.operations();
    await store.append({ committed: 1 });
    await store.append({ committed: 2 });
    expect(medium.operations()).toEqual(before);
    await store.append({ ballot: { term: 2, votedFor: undefined } });
    await store.close();
    const { committed, last } = await medium.store().open(owner);
    expect(committed <= last).toEqual(true);
  });

  test('open reports an appended commit index, or 0', async (medium) => {
    let store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first, ...commands(2, 9, 1)], committed: 4 });
    await store.append({ committed: 6 });
    await store.append({ entries: [command(10, 1)] });
    await store.close();
    store = medium.store();
    const { committed } = await store.open(owner);
    expect([0, 4, 6].includes(committed)).toEqual(true);
  });

  test('close waits for calls in progress, and the log keeps their effects', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    const calls: Call[] = [
      { kind: 'append', write: { entries: [first] } },
      { kind: 'append', write: { entries: commands(2, 30, 1) } },
      { kind: 'compact', base: baseAt(1, 1) },
      { kind: 'append', write: { ballot: { term: 7, votedFor: 'b' }, entries: commands(20, 22, 7) } },
    ];
    let ended = 0;
    await carryOut(store, calls[0] as Call);
    const running = calls.slice(1).map((call) => carryOut(store, call).then(() => (ended += 1)));
    const read = store.read(2, 30, Infinity).then(() => (ended += 1));
    await store.close();
    expect(ended).toEqual(4);
    await Promise.all([...running, read]);
    await reopen(medium, store, models(calls).at(-1) as Model);
  });

  test('a closed log can be reopened, and closing it twice succeeds', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    const calls: Call[] = [{ kind: 'append', write: { entries: [first, ...commands(2, 6, 1)] } }];
    await carryOut(store, calls[0] as Call);
    await store.close();
    await store.close();
    expect((await difference(store, models(calls).slice(-1))).wrong).toEqual(undefined);
    await store.append({ entries: [command(7, 1)] });
    expect(await store.read(7, 7, Infinity).then(plain)).toEqual(plain([command(7, 1)]));
    await store.close();
  });
}
