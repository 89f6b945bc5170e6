import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { LogStore } from '@kontiki/core';

/**
 * A fault that a test injects: it replaces `text` with `by` in a file. The path of the file is
 * relative to this folder.
 */
export interface Fault {
  readonly file: string;
  readonly text: string;
  readonly by: string;
}

/**
 * Bundles the file `entry` in this folder and injects a fault, either into this file or into a file
 * that it imports. Returns the class `name` from the bundle.
 */
export async function planted<On>(
  entry: string,
  name: string,
  { file, text, by }: Fault,
): Promise<new (on: On) => LogStore> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const parts = readFileSync(path, 'utf8').split(text);
  if (parts.length !== 2) throw new Error(`${file} contains this text ${parts.length - 1} times: ${text}`);
  let used = false;
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'bundle',
    conditions: ['@kontiki/source'],
    plugins: [
      {
        name: 'fault',
        setup: (bundle) => {
          bundle.onLoad({ filter: /\.ts$/ }, (loaded) => {
            if (loaded.path !== path) return undefined;
            used = true;
            return { contents: parts.join(by), loader: 'ts' };
          });
        },
      },
    ],
  });
  if (!used) throw new Error(`${entry} does not import ${file}`);
  // oxlint-disable-next-line typescript/no-implied-eval
  const bundle = new Function(`${outputFiles[0]?.text}; return bundle;`)() as Record<string, new (on: On) => LogStore>;
  return bundle[name] as new (on: On) => LogStore;
}
