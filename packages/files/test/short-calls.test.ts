import type * as Fs from 'node:fs';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { openFolder } from '@kontiki/files/node';

// Shows that files handle short reads and writes, in which the system transfers fewer bytes than
// requested. Each system call in these tests transfers only a few bytes.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof Fs>();
  const read = (fd: number, bytes: Uint8Array, at: number, length: number, offset: number, done: () => void): void =>
    fs.read(fd, bytes, at, Math.min(length, 7), offset, done);
  const writeSync = (fd: number, bytes: Uint8Array, at: number, length: number, offset: number): number =>
    fs.writeSync(fd, bytes, at, Math.min(length, 5), offset);
  const write = (fd: number, bytes: Uint8Array, at: number, length: number, offset: number, done: () => void): void =>
    fs.write(fd, bytes, at, Math.min(length, 11), offset, done);
  return {
    ...fs,
    read: read as typeof Fs.read,
    write: write as typeof Fs.write,
    writeSync: writeSync as typeof Fs.writeSync,
  };
});

it('read and write transfer all bytes even if each system call moves only some (bugs.md#D7)', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kontiki-files-'));
  try {
    const file = await (await openFolder(root)).create('x');
    const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => i % 251);
    file.write(bytes, 3);
    expect(await file.read(3, 1_000)).toEqual(bytes);
    expect(await file.read(500, 9_999)).toEqual(bytes.subarray(497));
    await file.writeAsync(bytes, 1_003);
    await file.allocate(2_500);
    expect(await file.read(1_003, 9_999)).toEqual(new Uint8Array([...bytes, ...new Uint8Array(497)]));
    await file.close();
    expect(readFileSync(join(root, 'x'))).toHaveLength(2_500);
  } finally {
    rmSync(root, { recursive: true });
  }
});
