import { readFileSync } from 'node:fs';
import { transformWithEsbuild } from 'vite';
import * as core from '@kontiki/core';
import type { LogStore } from '@kontiki/core';
import * as store from '@kontiki/core/store';
import * as wire from '@kontiki/core/wire';
import * as json from './json.js';

const modules = {
  '@kontiki/core': core,
  '@kontiki/core/store': store,
  '@kontiki/core/wire': wire,
  './json.js': json,
};

/**
 * Returns the class of a source file in this folder with a planted fault: some text of the source
 * is replaced. Tests of a conformance suite plant one fault at a time in a store that passes, and
 * the suite must then fail. A suite that fails for no planted fault would prove nothing. Throws if
 * the text does not occur exactly once.
 */
export async function planted<On>(
  file: string,
  name: string,
  text: string,
  by: string,
): Promise<new (on: On) => LogStore> {
  const parts = readFileSync(new URL(file, import.meta.url), 'utf8').split(text);
  if (parts.length !== 2)
    throw new Error(`the text to replace occurs ${parts.length - 1} times in ${file}, not once: ${text}`);
  const { code } = await transformWithEsbuild(parts.join(by), file, { target: 'es2022', sourcemap: false });
  const body = code
    .replaceAll(/import (\{.*\}) from ("[^"]+");/g, 'const $1 = modules[$2];')
    .replace(/export \{[^}]*\};?/, '')
    .replace('export class', 'class');
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function('modules', `${body}; return ${name};`)(modules) as new (on: On) => LogStore;
}
