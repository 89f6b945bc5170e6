import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolder } from '@kontiki/files/node';

const CHILD = fileURLToPath(new URL('lock-child.mjs', import.meta.url));

interface Starter {
  readonly process: ChildProcess;
  readonly answer: Promise<string>;
}

let folder: string;
let starters: Starter[] = [];

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'kontiki-lock-'))));
afterEach(() => {
  for (const starter of starters) starter.process.kill('SIGKILL');
  starters = [];
  rmSync(folder, { recursive: true });
});

function start(): Starter {
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answer = new Promise<string>((resolve) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
    // Not at its exit: what it said may not have been read by then.
    child.once('close', () => resolve('no answer'));
  });
  const starter = { process: child, answer };
  starters.push(starter);
  return starter;
}

async function ended({ process }: Starter): Promise<void> {
  if (process.exitCode === null && process.signalCode === null)
    await new Promise((resolve) => process.once('exit', resolve));
}

describe('the lock of a folder', () => {
  it.each([1, 2, 3])('of 20 processes that start at once exactly one gets it (round %i)', async () => {
    const all = Array.from({ length: 20 }, start);
    const answers = await Promise.all(all.map(({ answer }) => answer));
    expect(answers.toSorted()).toEqual([...Array.from({ length: 19 }, () => 'KONTIKI_LOCKED'), 'won']);
  });

  it('is free when its holder was killed with kill -9, and of many that come then one gets it', async () => {
    const holder = start();
    expect(await holder.answer).toBe('won');
    expect(await start().answer).toBe('KONTIKI_LOCKED');
    holder.process.kill('SIGKILL');
    await ended(holder);
    const answers = await Promise.all(Array.from({ length: 10 }, () => start().answer));
    expect(answers.filter((answer) => answer === 'won')).toHaveLength(1);
    // The dead one's name has been cleared away.
    expect(readdirSync(folder).filter((name) => name.startsWith('lock-'))).toHaveLength(1);
  });

  it('is kept by a process that is stopped, and free when it is released', async () => {
    const holder = start();
    expect(await holder.answer).toBe('won');
    holder.process.kill('SIGSTOP');
    expect(await start().answer).toBe('KONTIKI_LOCKED');
    holder.process.kill('SIGCONT');
    holder.process.stdin?.end();
    await ended(holder);
    expect(await start().answer).toBe('won');
  });

  it('is shared within a process by different uses, not by the same, however long the path', async () => {
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
