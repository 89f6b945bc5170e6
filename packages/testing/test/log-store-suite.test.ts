// Shows that the conformance suite for log stores detects faults. Injects each fault into the
// source of a log or of its base class, and expects a specific test of the suite to fail.
import { describe, expect, it } from 'vitest';
import type { Folder } from '@kontiki/files';
import { collect, onDisk, testLogStore } from '@kontiki/testing';
import { JournalLog } from './journal-log.js';
import { planted } from './planting.js';

const without = { fill: 'the journal does not allocate space in advance' };

testLogStore(
  { describe, it, expect },
  { name: 'JournalLog', medium: onDisk((folder) => new JournalLog(folder)), without },
);

/** Returns the title of the first test that fails because of the fault. */
async function firstFailure(file: string, text: string, by: string): Promise<string | undefined> {
  const Faulty = await planted<Folder>('journal-log.ts', 'JournalLog', { file, text, by });
  const runner = collect();
  testLogStore(runner, { name: 'log', medium: onDisk((folder) => new Faulty(folder)), without });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

const JOURNAL = 'journal-log.ts';
const STORE = '../../core/src/store';

describe('testLogStore', () => {
  it.each([
    [
      'append does not sync',
      'a log keeps every resolved call after a process crash',
      JOURNAL,
      'records });\n    await this.#file.datasync();',
      'records });',
    ],
    [
      'open does not sync',
      'a log keeps every resolved call after a process crash',
      JOURNAL,
      '      await this.#file.datasync();\n      await this',
      '      await this',
    ],
    [
      'the folder is not synced',
      'a retired log rejects all calls with KONTIKI_MOVED and the new location',
      JOURNAL,
      'await this.#folder.sync();',
      '',
    ],
    [
      'batches are written concurrently',
      'open reports the whole state of a log after every step',
      `${STORE}/group-commit.ts`,
      'if (!this.#isWriting) this.#written',
      'this.#written',
    ],
    [
      'a torn part is kept',
      'a log keeps every resolved call after a',
      JOURNAL,
      'if (torn === this.#end) return 0;',
      'if (torn === this.#end) return 0; this.#end = bytes.length; return 0;',
    ],
    [
      'a damaged part is truncated like a torn part',
      'a log detects a flipped bit, or loses at most its last write',
      JOURNAL,
      'if (partAt(bytes, at) !== undefined) throw',
      'if (false) throw',
    ],
    [
      'checksums are not compared',
      'a log keeps every resolved call after a power cut',
      JOURNAL,
      'if (view.getUint32(0) !== crc32(bytes.subarray(at + 4, end))) return undefined;',
      '',
    ],
    [
      'a gap is accepted',
      'append rejects gaps',
      `${STORE}/log-state-tracker.ts`,
      'from > this.#last + 1) {',
      'false) {',
    ],
    [
      'a gap within a write is accepted',
      'append rejects gaps',
      `${STORE}/log-state-tracker.ts`,
      'if (gap >= 0) throw',
      'if (false) throw',
    ],
    [
      'data of another server is accepted',
      'open rejects a log of another cluster or server and leaves it unchanged',
      `${STORE}/check-owner.ts`,
      ' && (stored.server ?? owner.server) === owner.server',
      '',
    ],
    [
      'data of another cluster is accepted',
      'open rejects a log of another cluster or server and leaves it unchanged',
      `${STORE}/check-owner.ts`,
      'stored.cluster === owner.cluster && ',
      '',
    ],
    [
      'a shorter suffix leaves the rest of the longer suffix that it replaces',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      'this.#last = from + entries.length - 1;',
      'this.#last = Math.max(this.#last, from + entries.length - 1);',
    ],
    [
      'a reset loses the ballot',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      'this.#last = base.index;',
      'this.#last = base.index; this.#ballot = undefined;',
    ],
    [
      'a reset loses the life',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      'this.#last = base.index;',
      'this.#last = base.index; this.#life = undefined;',
    ],
    [
      'a reset keeps the entries above its base',
      'reset moves the end of a log backward or forward',
      `${STORE}/log-state-tracker.ts`,
      'this.#last = base.index;',
      'this.#last = Math.max(this.#last, base.index);',
    ],
    [
      'compacted entries can be read',
      'read reflects all earlier calls, whether or not they are durable',
      `${STORE}/abstract-log.ts`,
      'if (from <= base) throw',
      'if (false) throw',
    ],
    [
      'a page exceeds maxBytes',
      'read returns pages of at most maxBytes, but at least one entry',
      `${STORE}/page.ts`,
      'entry.index > to || (page.length > 0 && bytes > maxBytes)',
      'entry.index > to || (page.length > 1 && bytes > maxBytes)',
    ],
    [
      'a page may be empty',
      'read returns pages of at most maxBytes, but at least one entry',
      `${STORE}/page.ts`,
      'entry.index > to || (page.length > 0 && bytes > maxBytes)',
      'entry.index > to || bytes > maxBytes',
    ],
    [
      'a commit index without entries or a ballot is written',
      'appending only a commit index causes no write or sync',
      `${STORE}/abstract-log.ts`,
      'const isEmpty = ballot === undefined && life === undefined && entries.length === 0;',
      'const isEmpty = false;',
    ],
    [
      'a failed write is retried',
      'after a failed write, a log rejects calls',
      `${STORE}/group-commit.ts`,
      'this.fail(error);\n    } finally {',
      'return this.#writeAll();\n    } finally {',
    ],
    [
      'calls are accepted after a failure',
      'after a failed write, a log rejects calls',
      `${STORE}/group-commit.ts`,
      'reject(this.#failed);\n    this.#waiting = [];',
      'reject(this.#failed);\n    this.#waiting = []; this.#failed = undefined;',
    ],
    [
      'close does not wait for writes',
      'calls made before retire resolve, and close waits for retire',
      `${STORE}/abstract-log.ts`,
      'await calls.close();',
      '',
    ],
    [
      'an open log can be opened again',
      'opening an open log rejects with KONTIKI_LOCKED, and the log keeps working',
      JOURNAL,
      "await this.#folder.lock('log')",
      '{ release: async () => {} }',
    ],
    [
      'the term of the base is ignored',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      '(this.#terms.at(-1)?.term ?? this.#base.term)',
      'this.#terms.at(-1)?.term',
    ],
    [
      'the genesis is lost with the first entry',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      'this.#genesis = base.genesis ?? this.#genesis;',
      'this.#genesis = undefined;',
    ],
    [
      'memberships are not reported',
      'open reports the whole state of a log after every step',
      `${STORE}/log-state-tracker.ts`,
      'this.#memberships.push({ index: entry.index, membership: entry.membership });',
      '',
    ],
    [
      'calls are accepted before open',
      'a log rejects calls before open and after close with KONTIKI_CLOSED',
      `${STORE}/abstract-log.ts`,
      'const calls = this.#life.opened;',
      'const calls = this.#calls as GroupCommit;',
    ],
  ])(
    'testLogStore detects a log in which %s',
    async (_, title, file, text, by) => {
      expect(await firstFailure(file, text, by)).toContain(title);
    },
    60_000,
  );
});
