import { describe, expect, it } from 'vitest';
import type { Folder } from '@kontiki/files';
import { collect, onDisk, testLogStore } from '@kontiki/testing';
import { JournalLog } from './journal-log.js';
import { planted } from './planting.js';

const without = { fill: 'it prepares no room', retire: 'nobody moves away from it' };

testLogStore(
  { describe, it, expect },
  { name: 'JournalLog', medium: onDisk((folder) => new JournalLog(folder)), without },
);

/** The first test that fails with a fault. */
async function failing(text: string, by: string): Promise<string | undefined> {
  const Faulty = await planted<Folder>('journal-log.ts', 'JournalLog', text, by);
  const runner = collect();
  testLogStore(runner, { name: 'log', medium: onDisk((folder) => new Faulty(folder)), without });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

describe('the suite for log stores', () => {
  it.each([
    [
      'append does not sync',
      'a log keeps every resolved call after a process crash',
      '        await file.datasync();',
      '',
    ],
    [
      'open does not sync',
      'a log keeps every resolved call after a process crash',
      '      await file.datasync();\n      await this',
      '      await this',
    ],
    [
      'the folder is not synced',
      'a log keeps every resolved call after a process crash',
      '      await this.#folder.sync();',
      '',
    ],
    [
      'calls write while another is synced',
      'a log keeps every resolved call after a power cut',
      'this.#writing = this.#writing.then(async () => {',
      'this.#writing = Promise.resolve().then(async () => {',
    ],
    [
      'a torn record stays',
      'a log keeps every resolved call after a process crash',
      'if (torn === this.#end) return 0;',
      'if (torn === this.#end) return 0; this.#end = bytes.length; return 0;',
    ],
    [
      'damage is cut like a torn record',
      'a log detects a flipped bit',
      'if (recordAt(bytes, at) !== undefined) throw',
      'if (false) throw',
    ],
    [
      'checksums are not looked at',
      'a log keeps every resolved call after a process crash',
      'if (view.getUint32(0) !== crc32(bytes.subarray(at + 4, end))) return undefined;',
      '',
    ],
    ['a gap is accepted', 'append rejects gaps', 'from > this.#last + 1) throw', 'false) throw'],
    ['a gap within a write is accepted', 'append rejects gaps', 'index !== from + i)) throw', 'false)) throw'],
    [
      'the data of another server is accepted',
      'open rejects a log of another cluster or server',
      ' && server === owner.server',
      '',
    ],
    [
      'the data of another cluster is accepted',
      'open rejects a log of another cluster or server',
      'cluster === owner?.cluster && ',
      '',
    ],
    [
      'a shorter suffix leaves the rest of a longer one',
      'open reports the whole state of a log after every step',
      '...entries];\n',
      '...entries, ...this.#entries.slice(from - this.#base.index - 1 + entries.length)];\n',
    ],
    [
      'a reset forgets the ballot',
      'open reports the whole state of a log after every step',
      "if (record.kind === 'reset') {",
      "if (record.kind === 'reset') { this.#ballot = undefined;",
    ],
    [
      'a reset keeps entries above its base',
      'reset moves the end of a log',
      '[base, [], base.index]',
      '[base, this.#entries.filter((e) => e.index > base.index), base.index]',
    ],
    [
      'what is compacted is still read',
      'read returns the effects of all earlier calls',
      'if (from <= this.#base.index) throw',
      'if (false) throw',
    ],
    [
      'a page exceeds its bytes',
      'read returns pages of at most maxBytes',
      'page.length > 0 && bytes > maxBytes',
      'page.length > 1 && bytes > maxBytes',
    ],
    [
      'a page may be empty',
      'read returns pages of at most maxBytes',
      '(page.length > 0 && bytes > maxBytes)',
      'bytes > maxBytes',
    ],
    [
      'the commit index alone is written',
      'a commit index alone causes no write',
      'if (write.ballot === undefined && !write.entries?.length)',
      'if (false)',
    ],
    ['a failed write is tried again', 'a failed write ends a log', 'throw this.#failed;\n      }', '}'],
    ['goes on after a failure', 'a failed write ends a log', 'if (this.#failed !== undefined) throw this.#failed;', ''],
    ['close does not wait', 'close waits for calls in progress', 'await this.#writing.catch(() => {});', ''],
    [
      'it opens twice',
      'opening an open log rejects with KONTIKI_LOCKED',
      "await this.#folder.lock('log')",
      '{ release: async () => {} }',
    ],
    [
      'terms begin below the base',
      'open reports the whole state of a log after every step',
      '(terms.at(-1)?.term ?? this.#base.term)',
      'terms.at(-1)?.term',
    ],
    [
      'the genesis is lost when the first entry is',
      'open reports the whole state of a log after every step',
      'this.#base.genesis ?? (first',
      '(first',
    ],
    [
      'memberships are not reported',
      'open reports the whole state of a log after every step',
      "if (entry.kind === 'membership') memberships",
      'if (false) memberships',
    ],
    [
      'takes calls before it is open',
      'a log rejects calls before open and after close',
      "if (this.#file === undefined) throw new KontikiError('KONTIKI_CLOSED', 'The journal is not open.');",
      '',
    ],
  ])(
    'notices that %s: “%s”',
    async (_, title, text, by) => {
      expect(await failing(text, by)).toContain(title);
    },
    60_000,
  );
});
