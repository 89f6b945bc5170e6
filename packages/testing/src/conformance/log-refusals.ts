import type { LogTests } from './log-context.js';
import { baseAt, command, commands, difference, first, models, owner, type Call } from './log-model.js';
import { plain } from './plain.js';
import { codeOf } from './waiting.js';

/** Registers tests for calls that a log must reject. */
export function testRefusals({ expect, test }: LogTests): void {
  test('append rejects gaps and compact rejects bases past the end, without effect', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    expect(await codeOf(store.append({ entries: [command(2, 1)] }))).toEqual('KONTIKI_INVARIANT');
    const calls: Call[] = [
      { kind: 'append', write: { entries: [first, ...commands(2, 9, 1)] } },
      { kind: 'compact', base: baseAt(4, 1) },
    ];
    for (const call of calls) await (call.kind === 'append' ? store.append(call.write) : store.compact(call.base));
    const ballot = { term: 8, votedFor: 'b' };
    const refused = [
      store.append({ ballot, entries: [command(11, 2)] }),
      store.append({ ballot, entries: [command(4, 2)] }),
      store.append({ ballot, entries: [command(10, 2), command(12, 2)] }),
      store.append({ ballot, entries: [command(10, 2), command(10, 2)] }),
      store.compact(baseAt(10, 1)),
    ];
    expect(await Promise.all(refused.map(codeOf))).toEqual(refused.map(() => 'KONTIKI_INVARIANT'));
    expect(plain(await store.read(5, 99, Infinity))).toEqual(plain(commands(5, 9, 1)));
    await store.append({ entries: [command(10, 1)] });
    await store.close();
    const all = models([...calls, { kind: 'append', write: { entries: [command(10, 1)] } }]);
    expect((await difference(medium.store(), all.slice(-1))).wrong).toEqual(undefined);
  });

  test('append rejects a gap after entries that are not yet durable', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    const calls = [
      store.append({ entries: [first, ...commands(2, 5, 1)] }),
      store.append({ entries: commands(3, 3, 2) }),
      store.append({ entries: commands(5, 5, 2) }),
      store.append({ entries: commands(4, 4, 2) }),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(['none', 'none', 'KONTIKI_INVARIANT', 'none']);
    expect(plain(await store.read(1, 9, Infinity))).toEqual(plain([first, command(2, 1), ...commands(3, 4, 2)]));
  });

  test('open rejects a log of another cluster or server and leaves it unchanged', async (medium) => {
    const calls: Call[] = [];
    const steps: Call[] = [
      { kind: 'append', write: { entries: [first, ...commands(2, 30, 1)] } },
      { kind: 'compact', base: baseAt(20, 1) },
      { kind: 'reset', base: baseAt(50, 2) },
    ];
    for (const call of steps) {
      const store = medium.store();
      await store.open(owner);
      await (call.kind === 'append' ? store.append(call.write) : store[call.kind](call.base));
      await store.close();
      calls.push(call);
      for (const other of [
        { ...owner, cluster: 'other' },
        { ...owner, server: 'b' },
      ]) {
        expect(await codeOf(medium.store().open(other))).toEqual('KONTIKI_FOREIGN_DATA');
      }
      const next = medium.store();
      expect((await difference(next, models(calls).slice(-1))).wrong).toEqual(undefined);
      await next.close();
    }
  });

  test('opening an open log rejects with KONTIKI_LOCKED, and the log keeps working', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first] });
    expect(await codeOf(medium.store().open(owner))).toEqual('KONTIKI_LOCKED');
    expect(await codeOf(store.open(owner))).toEqual('KONTIKI_LOCKED');
    await store.append({ entries: [command(2, 1)] });
    await store.close();
    const next = medium.store();
    expect((await next.open(owner)).last).toEqual(2);
    await next.close();
  });

  test('a log rejects calls before open and after close with KONTIKI_CLOSED', async (medium) => {
    const store = medium.store();
    const refused = async (): Promise<void> => {
      expect(await codeOf(store.append({ entries: [first] }))).toEqual('KONTIKI_CLOSED');
      expect(await codeOf(store.read(1, 1, Infinity))).toEqual('KONTIKI_CLOSED');
      expect(await codeOf(store.compact(baseAt(1, 1)))).toEqual('KONTIKI_CLOSED');
      expect(await codeOf(store.reset(baseAt(9, 1)))).toEqual('KONTIKI_CLOSED');
    };
    await refused();
    await store.close();
    await store.open(owner);
    await store.append({ entries: [first] });
    await store.close();
    await refused();
    expect((await medium.store().open(owner)).last).toEqual(1);
  });

  test('a commit index past the last entry is rejected or never reported', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first] });
    const taken = await codeOf(store.append({ ballot: { term: 2, votedFor: 'a' }, committed: 9 }));
    await store.close();
    const opened = await medium
      .store()
      .open(owner)
      .then(
        ({ committed }) => committed,
        (error: unknown) => (error as { code?: unknown }).code,
      );
    const allowed = taken === 'none' ? [0, 1, 'KONTIKI_LOST_DATA'] : [0, 1];
    expect(allowed.includes(opened as number)).toEqual(true);
  });
}
