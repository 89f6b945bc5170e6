import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CommandEntry } from '@kontiki/core';
import { LevelLog } from '../src/level-log.js';

const WRITER = fileURLToPath(new URL('writer.mjs', import.meta.url));

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'kontiki-killed-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/**
 * Starts a process that writes to a log, and kills it after `count` acknowledgements. Resolves with
 * the last acknowledged index.
 */
function killedAfter(count: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  writer.stdout.on('data', (data: Buffer) => {
    text += data.toString();
    if (text.split('\n').length > count) writer.kill('SIGKILL');
  });
  return new Promise((resolve) => writer.once('close', () => resolve(Number(text.split('\n').at(-2)))));
}

it('LevelDB keeps every acknowledged entry when its process is killed', async () => {
  for (const count of [1, 50, 400, 77]) {
    const acknowledged = await killedAfter(count);
    const database = new ClassicLevel(folder);
    const log = new LevelLog(database);
    const { last, ballot } = await log.open({ cluster: 'test', server: 'a' });
    expect(last).toBeGreaterThanOrEqual(acknowledged);
    // Each ballot was written in the same batch as its entry.
    expect(ballot).toEqual({ term: last, votedFor: 'a' });
    const entries = (await log.read(1, last, Infinity)) as CommandEntry[];
    expect(entries.map(({ index, data }) => [index, data[0], data.length])).toEqual(
      Array.from({ length: last }, (_, i) => [i + 1, (i + 1) & 0xff, 500]),
    );
    await log.close();
    await database.close();
  }
});
