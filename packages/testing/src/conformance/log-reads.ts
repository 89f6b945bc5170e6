import { entryBytes, type Entry } from '@kontiki/core';
import type { LogTests } from './log-context.js';
import { baseAt, command, commands, first, membershipEntry, owner } from './log-model.js';
import { plain } from './plain.js';
import { codeOf } from './waiting.js';

/** Registers tests for `read`, alone and in parallel with calls that change the log. */
export function testReads({ expect, test }: LogTests): void {
  test('read returns pages of at most maxBytes, but at least one entry', async (medium) => {
    const entries: Entry[] = [
      first,
      ...commands(2, 30, 1),
      membershipEntry(31, 2),
      { kind: 'noop', index: 32, term: 2 },
    ];
    const store = medium.store();
    await store.open(owner);
    // Write some of the entries one by one and the others in batches.
    for (let at = 0, end = 1; at < entries.length; at = end, end += at < 6 ? 1 : 5) {
      await store.append({ entries: entries.slice(at, end) });
    }
    for (const maxBytes of [0, 1, 84, 85, 200, 500, 1_000_000]) {
      for (const [from, to] of [
        [1, 32],
        [1, 1],
        [2, 9],
        [30, 31],
        [31, 99],
        [32, 32],
      ] as const) {
        const due = entries.slice(from - 1, to);
        let bytes = 0;
        const end = due.findIndex((entry, i) => (bytes += entryBytes(entry)) > maxBytes && i > 0);
        const page = end < 0 ? due : due.slice(0, end);
        expect(plain(await store.read(from, to, maxBytes))).toEqual(plain(page));
      }
    }
    expect(await store.read(33, 40, Infinity)).toEqual([]);
  });

  test('read returns the exact bytes of entries of every size', async (medium) => {
    const sizes = [0, 1, 7, 8, 511, 512, 513, 65_536, 1_000_000, 5];
    const entries = [first, ...sizes.map((size, i) => command(i + 2, 1, size))];
    const data = (entries.at(-2) as { data: Uint8Array }).data;
    for (let i = 0; i < data.length; i += 1) data[i] = (i * 7 + (i >> 8)) & 0xff;
    let store = medium.store();
    await store.open(owner);
    for (const entry of entries) await store.append({ entries: [entry] });
    expect(plain(await store.read(1, 99, Infinity))).toEqual(plain(entries));
    await store.close();
    store = medium.store();
    await store.open(owner);
    expect(plain(await store.read(1, 99, Infinity))).toEqual(plain(entries));
  });

  test('read reflects all earlier calls, whether or not they are durable', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first, ...commands(2, 3, 1)] });
    const calls = [
      store.append({ entries: commands(4, 5, 1) }),
      store.append({ entries: commands(3, 6, 2) }),
      store.append({ entries: [command(6, 3)] }),
    ];
    const reads = [store.read(1, 9, Infinity), store.read(3, 4, Infinity), store.read(6, 6, 0), store.read(7, 9, 1)];
    const now = [first, command(2, 1), ...commands(3, 5, 2), command(6, 3)];
    expect(plain(await Promise.all(reads))).toEqual(plain([now, now.slice(2, 4), now.slice(5), []]));
    await Promise.all(calls);
    expect(plain(await store.read(1, 9, Infinity))).toEqual(plain(now));
    const resets = [store.reset(baseAt(9, 3)), store.append({ entries: commands(10, 12, 4) })];
    expect(plain(await store.read(10, 99, Infinity))).toEqual(plain(commands(10, 12, 4)));
    expect(await codeOf(store.read(6, 6, Infinity))).toEqual('KONTIKI_COMPACTED');
    await Promise.all(resets);
  });

  test('read rejects compacted entries with KONTIKI_COMPACTED and returns later ones', async (medium) => {
    const store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first] });
    for (let at = 2; at < 80; at += 2) await store.append({ entries: commands(at, at + 1, 1) });
    await store.compact(baseAt(40, 1));
    for (const from of [1, 39, 40]) expect(await codeOf(store.read(from, 60, Infinity))).toEqual('KONTIKI_COMPACTED');
    expect(plain(await store.read(41, 79, Infinity))).toEqual(plain(commands(41, 79, 1)));
    await store.reset(baseAt(100, 2));
    for (const from of [60, 100]) expect(await codeOf(store.read(from, 100, Infinity))).toEqual('KONTIKI_COMPACTED');
    expect(await store.read(101, 101, Infinity)).toEqual([]);
  });

  test('a read during compact returns the entries or rejects with KONTIKI_COMPACTED', async (medium) => {
    let store = medium.store();
    await store.open(owner);
    await store.append({ entries: [first] });
    for (let at = 2; at < 120; at += 3) await store.append({ entries: commands(at, at + 2, 1).map(larger) });
    await store.close();
    store = medium.store();
    await store.open(owner);
    for (let base = 10; base <= 110; base += 10) {
      const froms = [base - 8, base, base + 1, base + 5];
      const reads = froms.map((from) => store.read(from, from + 3, Infinity).then(plain, codeOfError));
      const compacting = store.compact(baseAt(base, 1));
      const later = froms.map((from) => store.read(from, from + 3, Infinity).then(plain, codeOfError));
      for (const [i, from] of froms.entries()) {
        const right = JSON.stringify(plain(commands(from, Math.min(from + 3, 120), 1).map(larger)));
        for (const read of [reads[i], later[i]]) {
          const found = await read;
          if (found !== 'KONTIKI_COMPACTED' || from > base) expect(JSON.stringify(found)).toEqual(right);
        }
      }
      await compacting;
    }
  });
}

function larger({ index, term }: Entry): Entry {
  return command(index, term, 150);
}

function codeOfError(error: unknown): string {
  return String((error as { code?: unknown }).code ?? error);
}
