import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const there = existsSync(CHROMIUM);
if (!there)
  console.log(`skipped: the stores in a browser, since ${CHROMIUM} is not there (CHROMIUM names another one)`);

/** Milliseconds for a browser to start and a page to run. */
const PATIENCE = 60_000;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['@kontiki/source'],
    define: { global: 'globalThis' },
  });
  return outputFiles[0]?.text ?? '';
}

/**
 * What the page says in one life of the browser: when it is loaded, and when it is loaded again.
 */
async function visit(url: string, profile: string, said: unknown[], times: number): Promise<void> {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn(CHROMIUM, [...flags, '--remote-debugging-port=0', url], { stdio: 'ignore' });
  const ended = new Promise((resolve) => browser.once('close', resolve));
  const wanted = said.length + times;
  try {
    await expect.poll(() => said.length, { timeout: PATIENCE, interval: 50 }).toBe(wanted);
  } finally {
    browser.kill();
    await ended;
  }
}

it.runIf(there)(
  'a node keeps its log and its snapshots in IndexedDB, over a reload and a new browser',
  async () => {
    const script = await bundle();
    const said: unknown[] = [];
    const server = createServer((request, response) => {
      if (request.method === 'POST') {
        let body = '';
        request.on('data', (data: Buffer) => (body += data.toString()));
        request.on('end', () => {
          said.push(JSON.parse(body));
          response.end();
        });
      } else if (request.url === '/page.js') response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end('<script type="module" src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const profile = mkdtempSync(join(tmpdir(), 'kontiki-browser-'));
    try {
      await visit(url, profile, said, 2);
      await visit(`${url}#last`, profile, said, 1);
      // Each life counts 2, and begins with the snapshot of the one before.
      const lives = said as { readonly result: number; readonly snapshot: number }[];
      expect(lives.map(({ result }) => result)).toEqual([1, 3, 5]);
      expect(lives.map(({ snapshot }) => snapshot > 0)).toEqual([true, true, true]);
    } finally {
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  },
  3 * PATIENCE,
);
