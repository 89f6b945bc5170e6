// Shows that a user can test a log store on a medium of their own, and that the suite notices
// faults in it. Each fault is put into the source of the store, and then a certain test of the
// suite must fail.
import { describe, expect, it } from 'vitest';
import type { LogStore } from '@kontiki/core';
import { collect, testLogStore, type LogStoreSuite } from '@kontiki/testing';
import { planted } from './planting.js';
import { StrangersLog, type Tape } from './strangers-log.js';
import { TapePlace } from './tape-place.js';

const suite = (Log: new (tape: Tape) => LogStore): LogStoreSuite => ({
  name: 'StrangersLog',
  medium: (random) => new TapePlace((tape) => new Log(tape), random),
  without: { fill: 'a tape does not report how much room it has left' },
});

testLogStore({ describe, it, expect }, suite(StrangersLog));

/** Returns the titles of all tests, and of those that fail. */
async function results(Log: new (tape: Tape) => LogStore): Promise<{ all: string[]; failing: string[] }> {
  const runner = collect();
  testLogStore(runner, suite(Log));
  const [all, failing]: [string[], string[]] = [[], []];
  for await (const { name, error } of runner.run()) {
    all.push(name);
    if (error !== undefined) failing.push(name);
  }
  return { all, failing };
}

describe('testLogStore on a tape', () => {
  it('testLogStore passes a log on a tape and names the tests that it skips', async () => {
    const { all, failing } = await results(StrangersLog);
    expect(failing).toEqual([]);
    const skipped = all.filter((title) => title.includes('skipped'));
    console.log(skipped.join('\n'));
    expect(skipped).toEqual([
      'StrangersLog, as a log store > skipped, since a tape does not report how much room it has left: ' +
        'a log reports a full medium before writes fail, and still stores ballots',
    ]);
  });

  it.each([
    [
      'append resolves before the sync',
      'a log keeps every resolved call after a power cut',
      'printed(record));\n    await this.#tape.sync();',
      'printed(record));\n    void this.#tape.sync().catch(() => {});',
    ],
    [
      'the older of two entries is kept',
      'an append that replaces a longer suffix removes all of it',
      'this.#entries.set(entry.index, entry);',
      'if (!this.#entries.has(entry.index)) this.#entries.set(entry.index, entry);',
    ],
    [
      'a reset loses the ballot',
      'append, compact and reset keep the ballot',
      'tracker.apply(line);',
      "if (line.kind === 'reset') tracker.restore(new LogStateTracker().checkpoint); tracker.apply(line);",
    ],
    [
      'a compaction is not stored',
      'a log compacted up to its end takes appends, and ignores an older base',
      'for (const record of records) await this.#tape.write(printed(record));',
      "for (const record of records) if (record.kind !== 'compact') await this.#tape.write(printed(record));",
    ],
    [
      'a torn line stays',
      'a log keeps every resolved call after a power cut',
      'if (torn > 0) await this.#tape.cut(whole);',
      '',
    ],
    [
      'the log of another server opens',
      'open rejects a log of another cluster or server, and does not change it',
      "if (line.kind === 'owner') checkOwner('The tape', line.owner, owner);",
      "if (line.kind === 'owner') continue;",
    ],
    [
      'checksums are not compared',
      'a log detects a flipped bit, or loses only its last write',
      'line.slice(0, CHECKSUM) !== checksum(json)',
      'false',
    ],
    [
      'a retired log opens again',
      'a retired log rejects calls and open with KONTIKI_MOVED and the new place',
      "else if (line.kind === 'retire') throw movedError('The tape', line.where);",
      "else if (line.kind === 'retire') continue;",
    ],
  ])('testLogStore detects a log on a tape in which %s', async (_, title, text, by) => {
    const Faulty = await planted<Tape>('strangers-log.ts', 'StrangersLog', { file: 'strangers-log.ts', text, by });
    const { failing } = await results(Faulty);
    expect(failing.filter((name) => name.includes(title))).not.toEqual([]);
    // The log still works otherwise, so the fault itself is detected.
    expect(failing.filter((name) => name.includes('open reports no repairs after close'))).toEqual([]);
  });
});
