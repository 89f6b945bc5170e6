// Shows that users can test a log store on their own medium, and that the suite detects faults in
// it. Injects each fault into the source of the store, and expects a specific test to fail.
import { describe, expect, it } from 'vitest';
import type { LogStore } from '@kontiki/core';
import { collect, testLogStore, type LogStoreSuite } from '@kontiki/testing';
import { planted } from './planting.js';
import { StrangersLog, type Tape } from './strangers-log.js';
import { TapePlace } from './tape-place.js';

const suite = (Log: new (tape: Tape) => LogStore): LogStoreSuite => ({
  name: 'StrangersLog',
  medium: (random) => new TapePlace((tape) => new Log(tape), random),
  without: { fill: 'a tape does not report its free space' },
});

testLogStore({ describe, it, expect }, suite(StrangersLog));

/**
 * Runs the tests whose titles contain one of `titles`. Returns the tests that were skipped and
 * those that failed.
 */
async function results(
  Log: new (tape: Tape) => LogStore,
  titles: readonly string[] = [''],
): Promise<{ skipping: string[]; failing: string[] }> {
  const runner = collect();
  const it = (name: string, body: () => void | Promise<void>): void => {
    if (titles.some((title) => name.includes(title))) runner.it(name, body);
  };
  testLogStore({ ...runner, it: Object.assign(it, runner.it) }, suite(Log));
  const [skipping, failing]: [string[], string[]] = [[], []];
  for await (const { name, error, skipped } of runner.run()) {
    if (skipped) skipping.push(name);
    if (error !== undefined) failing.push(name);
  }
  return { skipping, failing };
}

describe('testLogStore on a tape', () => {
  it('testLogStore passes a log on a tape and reports which tests it skips', async () => {
    const { skipping, failing } = await results(StrangersLog);
    expect(failing).toEqual([]);
    expect(skipping).toEqual([
      'StrangersLog, as a log store > skipped because a tape does not report its free space: ' +
        'a log reports a full medium before writes fail, and still stores ballots',
    ]);
  });

  it('testLogStore registers skipped tests as empty if the runner cannot skip', () => {
    const titles: string[] = [];
    const it = (name: string): void => void titles.push(name);
    testLogStore({ describe: (_, body) => body(), it }, suite(StrangersLog));
    expect(titles.filter((title) => title.startsWith('skipped because a tape'))).toHaveLength(1);
  });

  it.each([
    [
      'append resolves before the sync',
      'a log keeps every resolved call after a power cut',
      'printed(record));\n    await this.#tape.sync();',
      'printed(record));\n    void this.#tape.sync().catch(() => {});',
    ],
    [
      'an entry does not replace an older one at its index',
      'append truncates the whole suffix that it replaces',
      'this.#entries.set(entry.index, entry);',
      'if (!this.#entries.has(entry.index)) this.#entries.set(entry.index, entry);',
    ],
    [
      'a reset loses the ballot',
      'append, compact and reset keep the ballot and the life',
      'tracker.apply(line);',
      "if (line.kind === 'reset') tracker.restore(new LogStateTracker().checkpoint); tracker.apply(line);",
    ],
    [
      'a compaction is not stored',
      'a log compacted to its end accepts appends and ignores an older base',
      'for (const record of records) await this.#tape.write(printed(record));',
      "for (const record of records) if (record.kind !== 'compact') await this.#tape.write(printed(record));",
    ],
    [
      'a torn line is kept',
      'a log keeps every resolved call after a power cut',
      'if (torn > 0) await this.#tape.cut(whole);',
      '',
    ],
    [
      'data of another server is accepted',
      'open rejects a log of another cluster or server and leaves it unchanged',
      "if (line.kind === 'owner') checkOwner('The tape', line.owner, owner);",
      "if (line.kind === 'owner') continue;",
    ],
    [
      'checksums are not compared',
      'a log detects a flipped bit, or loses at most its last write',
      'line.slice(0, CHECKSUM) !== checksum(json)',
      'false',
    ],
    [
      'a retired log can be opened',
      'a retired log rejects all calls with KONTIKI_MOVED and the new location',
      "else if (line.kind === 'retire') throw movedError('The tape', line.where);",
      "else if (line.kind === 'retire') continue;",
    ],
  ])('testLogStore detects a log on a tape in which %s', async (_, title, text, by) => {
    const Faulty = await planted<Tape>('strangers-log.ts', 'StrangersLog', { file: 'strangers-log.ts', text, by });
    // Another test must pass, to show that this fault caused the failure.
    const other = 'open reports no repairs after a clean close';
    const { failing } = await results(Faulty, [title, other]);
    expect(failing).not.toEqual([]);
    expect(failing.filter((name) => name.includes(other))).toEqual([]);
  });
});
