// Shows which token files and secret files are accepted.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readSecrets } from '../src/cluster/certificates.js';
import { readToken } from '../src/token-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kontiki-token-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'file');
  writeFileSync(path, text);
  return path;
}

it.each([
  ['16 characters', 'abcdefghijklmnop', 'abcdefghijklmnop'],
  ['a final newline', 'abcdefghijklmnop\n', 'abcdefghijklmnop'],
  ['512 characters', 'x'.repeat(512), 'x'.repeat(512)],
])('a token of %s is accepted', (_, text, token) => {
  expect(readToken('token-file', file(text))).toBe(token);
});

it.each([
  ['nothing', ''],
  ['15 characters', 'abcdefghijklmno'],
  ['513 characters', 'x'.repeat(513)],
  ['a space', 'abcdefgh ijklmnopq'],
  ['two lines', 'abcdefghijklmnop\nabcdefghijklmnop'],
  ['characters beyond ASCII', 'äbcdefghijklmnop'],
])('a token file with %s is refused', (_, text) => {
  expect(() => readToken('token-file', file(text))).toThrow('16 to 512 visible ASCII characters');
});

it('the error for a missing file names the file', () => {
  expect(() => readToken('token-file', join(folder, 'absent'))).toThrow('Cannot read --token-file');
  expect(() => readSecrets(join(folder, 'absent'))).toThrow('Cannot read --secret');
});

it('each non-blank line of a file of secrets is a secret', () => {
  expect(readSecrets(file('one\n\n  \ntwo\n'))).toEqual({ secrets: ['one', 'two'] });
});
