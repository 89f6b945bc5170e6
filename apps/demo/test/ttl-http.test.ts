// Shows how the HTTP interface treats keys with a time to live. The node runs on a virtual clock.
import { expect, it } from 'vitest';
import { MAX_TTL } from '../src/kv/write.js';
import { VirtualNode } from './virtual-node.js';

it('GET returns the remaining ttl of a key, and 404 once the key has expired', async () => {
  const node = await VirtualNode.start();
  expect((await node.request('PUT', '/kv/a?ttl=500', 'x')).status).toBe(204);
  const read = async (): Promise<unknown> => {
    // Only entries advance log time.
    await node.request('PUT', '/kv/other', 'x');
    const { status, headers } = await node.request('GET', '/kv/a');
    return [status, headers.get('kontiki-ttl')];
  };
  expect(await read()).toEqual([200, '500']);
  await node.elapse(200);
  expect(await read()).toEqual([200, '300']);
  await node.elapse(299);
  expect(await read()).toEqual([200, '1']);
  await node.elapse(1);
  expect(await read()).toEqual([404, null]);
});

it('a list contains the remaining ttl of each key, and omits expired keys', async () => {
  const node = await VirtualNode.start();
  for (const path of ['/kv/a?ttl=500', '/kv/b?ttl=900', '/kv/c']) await node.request('PUT', path, 'x');
  const list = async (): Promise<unknown> => {
    const { keys } = (await node.request('GET', '/kv')).json;
    return keys.map(({ key, ttl }: { readonly key: string; readonly ttl?: number }) => [key, ttl]);
  };
  expect(await list()).toEqual([
    ['a', 500],
    ['b', 900],
    ['c', undefined],
  ]);
  await node.elapse(500);
  await node.request('PUT', '/kv/c', 'x');
  expect(await list()).toEqual([
    ['b', 400],
    ['c', undefined],
  ]);
});

it('PUT without ttl makes a key permanent, and conditions apply to expired keys', async () => {
  const node = await VirtualNode.start();
  const statuses: number[] = [];
  const put = async (path: string, headers: Record<string, string> = {}): Promise<void> => {
    statuses.push((await node.request('PUT', path, 'x', headers)).status);
  };
  await put('/kv/a?ttl=500');
  await put('/kv/b?ttl=500');
  await put('/kv/a');
  await put('/kv/b', { 'If-None-Match': '*' });
  await node.elapse(500);
  await put('/kv/a', { 'If-None-Match': '*' });
  await put('/kv/b', { 'If-None-Match': '*' });
  expect(statuses).toEqual([204, 204, 204, 412, 412, 204]);
  expect((await node.request('GET', '/kv/a')).headers.get('kontiki-ttl')).toBeNull();
});

it('PUT refuses a ttl that is not a whole number from 1 to the maximum', async () => {
  const node = await VirtualNode.start();
  for (const ttl of ['0', '-1', '1.5', '1e3', '', 'x', '30s', '0x1', `${MAX_TTL + 1}`, '9'.repeat(400)]) {
    const { status, json } = await node.request('PUT', `/kv/a?ttl=${ttl}`, 'x');
    expect([ttl, status, json.error.code]).toEqual([ttl, 400, 'TTL']);
    expect(json.error.message).toContain(`from 1 to ${MAX_TTL}`);
  }
  expect(node.machine.size).toBe(0);
});

it('a write refuses an unknown parameter, and one that occurs twice', async () => {
  const node = await VirtualNode.start();
  for (const [method, path] of [
    ['PUT', '/kv/a?tll=5'],
    ['PUT', '/kv/a?ttl=5&ttl=6'],
    ['DELETE', '/kv/a?ttl=5'],
    ['POST', '/kv?ttl=5'],
  ] as const) {
    const { status, json } = await node.request(method, path, 'x');
    expect([path, status, json.error.code]).toEqual([path, 400, 'QUERY']);
  }
  expect(node.machine.size).toBe(0);
});

it('PUT accepts the shortest and the longest ttl', async () => {
  const node = await VirtualNode.start();
  for (const ttl of [1, MAX_TTL]) {
    expect((await node.request('PUT', `/kv/a?ttl=${ttl}`, 'x')).status).toBe(204);
    expect((await node.request('GET', '/kv/a')).headers.get('kontiki-ttl')).toBe(`${ttl}`);
  }
});

it.each([0, 1])('PUT with a ttl is refused with 409 at feature level %i', async (level) => {
  const node = await VirtualNode.start({ level });
  const { status, json } = await node.request('PUT', '/kv/a?ttl=500', 'x');
  expect([status, json.error.code]).toEqual([409, 'LEVEL']);
  expect(json.error.message).toContain('member raise');
  const write = { put: 'a', value: '', ttl: 500 };
  expect(await node.request('POST', '/kv', { success: [write] })).toMatchObject({ status: 409, json });
  expect(node.machine.size).toBe(0);
  expect((await node.request('PUT', '/kv/a', 'x')).status).toBe(204);
});

it('a watch sends null when its key expires', async () => {
  const node = await VirtualNode.start();
  await node.request('PUT', '/kv/a?ttl=500', 'x');
  const watch = new AbortController();
  const { body } = await node.during(fetch(`${node.url}/kv/a?watch`, { signal: watch.signal }));
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const values = (): unknown[] =>
    [...text.matchAll(/^\{"index".*\}$/gm)].map(([line]) => (JSON.parse(line) as { readonly result: unknown }).result);
  const receive = async (count: number): Promise<unknown[]> => {
    while (values().length < count) text += (await node.during(reader.read())).value ?? '';
    return values();
  };
  const value = { revision: expect.any(Number), value: 'eA==' };
  expect(await receive(1)).toEqual([value]);
  await node.elapse(600);
  expect(await receive(2)).toEqual([value, null]);
  watch.abort();
});
