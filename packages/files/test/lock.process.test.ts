import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolder } from '@kontiki/files/node';
import { kill, killAll, start } from './starter.js';

let folder: string;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'kontiki-lock-'))));
afterEach(() => {
  killAll();
  rmSync(folder, { recursive: true });
});

describe('a folder lock between processes', () => {
  it.each([1, 2, 3])('exactly one of 20 concurrent processes gets the lock (round %i)', async () => {
    const all = Array.from({ length: 20 }, () => start(folder));
    const answers = await Promise.all(all.map(({ answer }) => answer));
    expect(answers.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'KONTIKI_LOCKED'), 'won']);
  });

  it('exactly one of ten processes gets the lock of a killed process', async () => {
    const holder = start(folder);
    expect(await holder.answer).toBe('won');
    expect(await start(folder).answer).toBe('KONTIKI_LOCKED');
    await kill(holder);
    const answers = await Promise.all(Array.from({ length: 10 }, () => start(folder).answer));
    expect(answers.filter((answer) => answer === 'won')).toHaveLength(1);
    // The socket of the dead process was removed.
    expect(readdirSync(folder).filter((name) => name.startsWith('lock-'))).toHaveLength(1);
  });

  it('a process keeps its lock while stopped by SIGSTOP and releases it later', async () => {
    const holder = start(folder);
    expect(await holder.answer).toBe('won');
    holder.process.kill('SIGSTOP');
    expect(await start(folder).answer).toBe('KONTIKI_LOCKED');
    holder.process.kill('SIGCONT');
    holder.process.stdin?.end();
    await holder.output;
    expect(await start(folder).answer).toBe('won');
  });

  it('a log and snapshots in one process share a folder lock, even on a long path', async () => {
    const deep = join(folder, ...Array.from({ length: 12 }, () => 'a-rather-long-name'));
    mkdirSync(deep, { recursive: true });
    const opened = await openFolder(deep);
    const log = await opened.lock('log');
    const snapshots = await opened.lock('snapshots');
    await expect(opened.lock('log')).rejects.toMatchObject({ code: 'KONTIKI_LOCKED' });
    await log.release();
    const again = await opened.lock('log');
    await Promise.all([again.release(), snapshots.release()]);
    expect(readdirSync(deep)).toEqual([]);
    await (await opened.lock('log')).release();
  });
});
