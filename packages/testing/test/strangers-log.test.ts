import { describe, expect, it } from 'vitest';
import { collect, testLogStore, type LogStoreSuite } from '@kontiki/testing';
import { planted } from './planting.js';
import { StrangersLog, type Tape } from './strangers-log.js';
import { TapePlace } from './tape-place.js';

const suite = (Log: new (tape: Tape) => StrangersLog): LogStoreSuite => ({
  name: 'StrangersLog',
  medium: (random) => new TapePlace((tape) => new Log(tape), random),
  without: { fill: 'a tape does not say how much room it has left' },
});

testLogStore({ describe, it, expect }, suite(StrangersLog));

/** The titles of all tests, and of those that fail. */
async function results(Log: new (tape: Tape) => StrangersLog): Promise<{ all: string[]; failing: string[] }> {
  const runner = collect();
  testLogStore(runner, suite(Log));
  const [all, failing]: [string[], string[]] = [[], []];
  for await (const { name, error } of runner.run()) {
    all.push(name);
    if (error !== undefined) failing.push(name);
  }
  return { all, failing };
}

describe('a store of somebody else, on a medium of their own', () => {
  it('passes, and what it cannot be tested for is named with the reason', async () => {
    const { all, failing } = await results(StrangersLog);
    expect(failing).toEqual([]);
    const skipped = all.filter((title) => title.includes('skipped'));
    console.log(skipped.join('\n'));
    expect(skipped).toEqual([
      'StrangersLog, as a log store > skipped, since a tape does not say how much room it has left: ' +
        'a log reports a full medium before writes fail, and still stores ballots',
    ]);
  });

  it.each([
    [
      'append resolves before the sync',
      'a log keeps every resolved call after a power cut',
      '      await this.#tape.sync();\n    } catch (cause)',
      '      void this.#tape.sync().catch(() => {});\n    } catch (cause)',
    ],
    [
      'the suffix that is replaced stays',
      'an append that replaces a longer suffix removes all of it',
      'for (let index = entries[0]?.index ?? Infinity; this.#entries.delete(index); index += 1);',
      '',
    ],
    [
      'a reset forgets the ballot',
      'append, compact and reset keep the ballot',
      'this.#ledger.apply(line);',
      "if (line.kind === 'reset') this.#ledger = new Ledger(); this.#ledger.apply(line);",
    ],
    [
      'what is compacted is read as if the log began there',
      'read rejects compacted entries with KONTIKI_COMPACTED',
      'if (from <= this.#ledger.base.index) throw',
      'from = Math.max(from, this.#ledger.base.index + 1); if (false) throw',
    ],
    [
      'a torn line is passed over and stays',
      'a log keeps every resolved call after a power cut',
      'if (torn > 0) await this.#tape.cut(whole);',
      '',
    ],
    [
      'the log of another server is opened',
      'open rejects a log of another cluster or server',
      'if (cluster === owner?.cluster && server === owner.server) return;',
      'return;',
    ],
    [
      'checksums are not looked at',
      'a log detects a flipped bit',
      'line.slice(0, CHECKSUM) !== checksum(json)',
      'false',
    ],
    [
      'a retired log opens again',
      'a retired log rejects calls and open with KONTIKI_MOVED',
      'if (this.#ended !== undefined) throw this.#ended as KontikiError;',
      'this.#ended = undefined;',
    ],
  ])('fails when %s: “%s”', async (_, title, text, by) => {
    const Faulty = (await planted<Tape>('strangers-log.ts', 'StrangersLog', text, by)) as typeof StrangersLog;
    const { failing } = await results(Faulty);
    expect(failing.filter((name) => name.includes(title))).not.toEqual([]);
    // It is the fault that is seen, not a store that does nothing at all.
    expect(failing.filter((name) => name.includes('open reports no repairs after close'))).toEqual([]);
  });
});
