// Shows how the handler answers invalid requests, and clients that disconnect.
import { once } from 'node:events';
import { connect } from 'node:net';
import express from 'express';
import { expect, it } from 'vitest';
import { handler } from '@kontiki/client/server';
import { after, serve } from './servers.js';
import { Service } from './service.js';

const json = { 'Content-Type': 'application/json' };

it.each([
  ['a wrong method', 'GET', '/sessions', {}, undefined, 405],
  ['the root', 'POST', '/', {}, '{}', 404],
  ['a path below /sessions', 'POST', '/sessions/x', {}, '{}', 404],
  ['a missing name', 'POST', '/execute', {}, '{}', 404],
  ['a longer path', 'POST', '/execute/a/b', {}, '{}', 404],
  ['an unknown path', 'POST', '/elsewhere/append', {}, '{}', 404],
  ['a session without a content type', 'POST', '/sessions', {}, undefined, 415],
  ['no content type', 'POST', '/execute/append', {}, '{"input":"x"}', 415],
  ['another content type', 'POST', '/execute/append', { 'Content-Type': 'text/plain' }, '{"input":"x"}', 415],
  ['invalid JSON', 'POST', '/execute/append', json, '{"input":', 400],
  ['an array', 'POST', '/execute/append', json, '[]', 400],
  ['null', 'POST', '/execute/append', json, 'null', 400],
  ['an empty body', 'POST', '/execute/append', json, '', 400],
  ['an unknown field', 'POST', '/execute/append', json, '{"imput":"x"}', 400],
  ['minIndex for a command', 'POST', '/execute/append', json, '{"input":"x","minIndex":1}', 400],
  ['an invalid name', 'POST', '/execute/%ff', json, '{}', 400],
  ['an incomplete session', 'POST', '/execute/append', { ...json, 'Kontiki-Session': '1 2' }, '{"input":"x"}', 400],
  ['a settled sequence', 'POST', '/execute/append', { ...json, 'Kontiki-Session': '1 2 2' }, '{"input":"x"}', 400],
  [
    'an unsafe integer',
    'POST',
    '/execute/append',
    { ...json, 'Kontiki-Session': '1 9007199254740993 2' },
    '{"input":"x"}',
    400,
  ],
  ['an unknown session', 'POST', '/execute/append', { ...json, 'Kontiki-Session': '123 1 0' }, '{"input":"x"}', 409],
  ['an unknown consistency', 'POST', '/query/items', json, '{"consistency":"perhaps"}', 400],
  ['a negative minIndex', 'POST', '/query/items', json, '{"minIndex":-1}', 400],
  ['an index in the future', 'POST', '/query/items', json, '{"minIndex":99999}', 503],
  ['a broken query', 'POST', '/query/broken', json, '{}', 500],
  ['a large body', 'POST', '/execute/append', json, `{"input":"${'x'.repeat(1_000)}"}`, 413],
] as const)('the handler answers %s with a code', async (_, method, path, headers, body, expected) => {
  const logged: unknown[] = [];
  const logger = { error: (text: string) => void logged.push(text) };
  const service = await Service.start(['a'], { maxBodyBytes: 200, timeout: 100, logger });
  const response = await fetch(service.urls[0] + path, { method, headers, ...(body === undefined ? {} : { body }) });
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect([response.status, error.code]).toEqual([expected, expect.stringMatching(/^(KONTIKI_[A-Z_]+|INTERNAL)$/)]);
  expect(error.message).not.toContain('secret');
  expect(logged).toHaveLength(expected === 500 ? 1 : 0);
});

it('a command without the session header is applied by a session of the node', async () => {
  const service = await Service.start();
  const body = JSON.stringify({ input: 'x' });
  const response = await fetch(`${service.urls[0]}/execute/append`, { method: 'POST', headers: json, body });
  expect(await response.json()).toMatchObject({ result: 1 });
});

it('a body that ends early is not applied', async () => {
  const service = await Service.start();
  const [node] = service.nodes;
  const socket = connect(Number(new URL(service.urls[0] as string).port), '127.0.0.1');
  after(() => socket.destroy());
  socket.end(
    'POST /execute/append HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
  );
  socket.resume();
  await once(socket, 'close');
  expect((await node?.node.query('items'))?.result).toEqual([]);
});

it('a command whose client disconnects while there is no leader is not applied', async () => {
  const service = await Service.start(['a', 'b', 'c'], { timeout: 60_000 });
  const { leader } = service;
  const followers = service.nodes.filter((node) => node !== leader);
  await leader?.kill();
  const other = followers[1]?.node.raft.id as string;
  service.network.isolate(other);
  const url = followers[0]?.server.url as string;
  const controller = new AbortController();
  const arrived = new Promise((resolve) => (service.loses = () => Boolean(resolve(undefined))));
  const sent = fetch(`${url}/execute/append`, {
    method: 'POST',
    headers: json,
    body: '{"input":"x"}',
    signal: controller.signal,
  });
  const rejected = expect(sent).rejects.toThrow();
  await arrived;
  controller.abort();
  await rejected;
  service.network.heal();
  expect((await followers[0]?.node.execute('append', 'y'))?.result).toBe(1);
});

it('a body that another handler has read is reported', async () => {
  const service = await Service.start();
  const logged: unknown[] = [];
  const app = express();
  app.use(express.json());
  const logger = { error: (_: string, details?: { error?: unknown }) => void logged.push(String(details?.error)) };
  app.use(handler(service.nodes[0]?.node as never, { logger }));
  const { url } = await serve(app);
  const response = await fetch(`${url}/query/items`, { method: 'POST', headers: json, body: '{}' });
  expect([response.status, logged]).toEqual([500, [expect.stringContaining('before body parsers')]]);
});
