// Shows that the stores work in a browser. A headless browser repeatedly loads a page that runs a
// node on IndexedDB. The page posts its results to the test.
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
const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser)
  console.log(`skipped: the stores in a browser, because there is no ${CHROMIUM} (set CHROMIUM to another browser)`);

/** Time limit, in milliseconds, for starting a browser and running a page. */
const TIMEOUT = 60_000;

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

/** Opens a page in a browser, and waits until the page has sent `times` more results. */
async function visit(url: string, profile: string, results: unknown[], times: number): Promise<void> {
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn(CHROMIUM, [...flags, '--remote-debugging-port=0', url], { stdio: 'ignore' });
  const ended = new Promise((resolve) => browser.once('close', resolve));
  const wanted = results.length + times;
  try {
    await expect.poll(() => results.length, { timeout: TIMEOUT, interval: 50 }).toBe(wanted);
  } finally {
    browser.kill();
    await ended;
  }
}

it.runIf(hasBrowser)(
  'a node finds its data in IndexedDB after a reload and in a new browser process',
  async () => {
    const script = await bundle();
    const results: unknown[] = [];
    const server = createServer((request, response) => {
      if (request.method === 'POST') {
        let body = '';
        request.on('data', (data: Buffer) => (body += data.toString()));
        request.on('end', () => {
          results.push(JSON.parse(body));
          response.end();
        });
      } else if (request.url === '/page.js') response.setHeader('content-type', 'text/javascript').end(script);
      else response.setHeader('content-type', 'text/html').end('<script type="module" src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const profile = mkdtempSync(join(tmpdir(), 'kontiki-browser-'));
    try {
      await visit(url, profile, results, 2);
      await visit(`${url}#last`, profile, results, 1);
      // Each load of the page adds 2, and starts from the snapshot of the previous load.
      const loads = results as { readonly result: number; readonly snapshot: number }[];
      expect(loads.map(({ result }) => result)).toEqual([1, 3, 5]);
      expect(loads.map(({ snapshot }) => snapshot > 0)).toEqual([true, true, true]);
    } finally {
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
    }
  },
  3 * TIMEOUT,
);
