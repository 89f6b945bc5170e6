// Shows how the commands status and snapshot react when a node hangs. The nodes are small HTTP
// servers in this process, and the clock is virtual.
import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpClient } from '@kontiki/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { after } from '../../../packages/peers/test/transports/servers.js';
import { SnapshotClient } from '../src/client/snapshot-client.js';
import { clientCommand } from '../src/commands/client.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const LIMIT = 9_000;

/** Starts a server and returns its URL. */
async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Starts a server that sends at most the text `part` and never finishes its response. `asked`
 * resolves when a request arrives.
 */
async function serveNothing(part?: string): Promise<{ readonly url: string; readonly asked: Promise<void> }> {
  let ask = (): void => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const handler: RequestListener = (_, response) => {
    if (part !== undefined) response.write(part);
    ask();
  };
  return { url: await serve(handler), asked };
}

function http(): HttpClient {
  const client = new HttpClient();
  after(() => client.close());
  return client;
}

it('status queries all nodes at the same time, each with the whole time limit', async () => {
  const hung = [await serveNothing(), await serveNothing()];
  const healthy = await serve((_, response) => response.end('{"id":"n3","role":"leader"}'));
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  after(() => write.mockRestore());
  const urls = [...hung.map(({ url }) => url), healthy];
  const exitCode = clientCommand('status', [...urls.flatMap((url) => ['--url', url]), '--timeout', `${LIMIT}`]);
  await Promise.all(hung.map(({ asked }) => asked));
  await vi.advanceTimersByTimeAsync(LIMIT - 1);
  expect(write).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(await exitCode).toBe(0);
  const answers = [expect.stringMatching(/does not answer$/), expect.stringMatching(/does not answer$/)];
  expect(write.mock.calls.map(([line]) => String(line).trimEnd())).toEqual([
    ...answers,
    expect.stringContaining(`${healthy}  id n3  role leader`),
  ]);
});

it('a snapshot is taken on the next node if the first one hangs', async () => {
  const { url, asked } = await serveNothing();
  const healthy = await serve((_, response) => response.end('{"index":7,"term":1,"bytes":9}'));
  const taken = new SnapshotClient(http(), [url, healthy], LIMIT).take();
  await asked;
  await vi.advanceTimersByTimeAsync(LIMIT);
  expect(await taken).toEqual({ url: healthy, index: 7, term: 1, bytes: 9 });
});

it('a slow download succeeds, but one that receives no data for a while fails', async () => {
  let node: ServerResponse | undefined;
  const url = await serve((_, response) => {
    response.write('0');
    node = response;
  });
  const { chunks } = await new SnapshotClient(http(), [url], LIMIT).download();
  const received = chunks[Symbol.asyncIterator]();
  const next = async (): Promise<string> => Buffer.from((await received.next()).value as Uint8Array).toString();
  expect(await next()).toBe('0');
  for (const text of ['1', '2', '3']) {
    await vi.advanceTimersByTimeAsync(LIMIT - 1);
    node?.write(text);
    expect(await next()).toBe(text);
  }
  const rejected = expect(received.next()).rejects.toThrow(
    `The download from ${url} was interrupted: no data for ${LIMIT} ms. No file was saved.`,
  );
  await vi.advanceTimersByTimeAsync(LIMIT);
  await rejected;
});
