import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolder } from '@kontiki/files/node';

const OPEN = "const { openFolder } = await import('@kontiki/files/node'); await openFolder(process.argv[1]);";
const traced = spawnSync('strace', ['-f', 'true']).status === 0;

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'kontiki-files-'))));
afterEach(() => rmSync(root, { recursive: true }));

describe('openFolder', () => {
  it('openFolder creates missing parents and gives only their owner access', async () => {
    const folder = await openFolder(join(root, 'a', 'b'));
    const file = await folder.create('x');
    await file.close();
    await file.close();
    expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, 'a', 'b', 'x')).mode & 0o777).toBe(0o600);
  });

  it.runIf(traced)('openFolder syncs the name of an existing folder', () => {
    const synced = (path: string): boolean => {
      const { stderr, status } = spawnSync(
        'strace',
        ['-f', '-y', '-qq', '-e', 'trace=fsync', process.execPath, '--input-type=module', '-e', OPEN, path],
        { cwd: fileURLToPath(new URL('..', import.meta.url)), encoding: 'utf8' },
      );
      expect(status).toBe(0);
      return stderr.includes(`<${root}>`);
    };
    const path = join(root, 'a');
    expect(synced(path)).toBe(true);
    expect(synced(path)).toBe(true);
  });

  it('openFolder reports why a folder cannot be created', async () => {
    writeFileSync(join(root, 'file'), '');
    await expect(openFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(openFolder(join(root, 'file', 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
    if (process.platform === 'linux')
      await expect(openFolder('/proc/kontiki/a')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('openFolder rejects an empty path', async () => {
    await expect(openFolder('')).rejects.toThrow('must not be empty');
  });

  it('concurrent calls of openFolder can create the same folder', async () => {
    const path = join(root, 'a', 'b', 'c');
    const folders = await Promise.all(Array.from({ length: 8 }, () => openFolder(path)));
    expect(folders.map((folder) => folder.path)).toEqual(folders.map(() => path));
  });

  it('a folder writes, reads, allocates, renames and removes files', async () => {
    const folder = await openFolder(root);
    const file = await folder.create('x');
    await file.allocate(3_000_000);
    expect(await file.size()).toBe(3_000_000);
    file.write(new Uint8Array([1, 2, 3]), 2_999_999);
    await file.datasync();
    expect(await file.read(2_999_998, 100)).toEqual(new Uint8Array([0, 1, 2, 3]));
    const several = Array.from({ length: 4 }, (_, i) => file.writeAsync(new Uint8Array(300_000).fill(i), i * 300_000));
    await Promise.all(several);
    for (const i of several.keys()) expect(await file.read((i + 1) * 300_000 - 2, 2)).toEqual(new Uint8Array([i, i]));
    expect(await file.read(9_000_000, 100)).toEqual(new Uint8Array(0));
    await folder.rename('x', 'y');
    await folder.sync();
    expect(await folder.list()).toEqual(['y']);
    await file.close();
    await folder.remove('y');
    await folder.remove('y');
    expect(await folder.list()).toEqual([]);
  });

  it('a lock is released even if its socket cannot be removed', async () => {
    const folder = await openFolder(root);
    const lock = await folder.lock('test');
    const [socket] = readdirSync(root) as [string];
    rmSync(join(root, socket));
    mkdirSync(join(root, socket));
    await lock.release();
  });

  it('a folder refuses file names that refer to files outside it', async () => {
    const folder = await openFolder(join(root, 'inside'));
    writeFileSync(join(root, 'outside'), 'x');
    for (const name of ['../outside', '..', '.', '', '/etc/passwd', 'a/../../outside', 'a\0']) {
      await expect(folder.open(name), name).rejects.toThrow(/not the name of a file/);
      await expect(folder.create(name), name).rejects.toThrow(/not the name of a file/);
      await expect(folder.remove(name), name).rejects.toThrow(/not the name of a file/);
      await expect(folder.rename('a', name), name).rejects.toThrow(/not the name of a file/);
    }
    expect(readdirSync(root).sort()).toEqual(['inside', 'outside']);
  });

  it('create rejects existing files, and open rejects missing files and symlinks', async () => {
    const folder = await openFolder(root);
    writeFileSync(join(root, 'target'), 'x');
    symlinkSync(join(root, 'target'), join(root, 'link'));
    await expect(folder.create('target')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(folder.open('none')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(folder.open('link')).rejects.toMatchObject({ code: 'ELOOP' });
  });
});
