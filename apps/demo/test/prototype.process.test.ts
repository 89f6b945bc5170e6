// Shows that keys with the names of built-in properties are ordinary keys. The nodes run with
// `--disable-proto=throw`, so any use of `__proto__` as a property would throw.
import { afterEach, expect, it, vi } from 'vitest';
import { DemoCluster } from './cluster.js';

const KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf'];

let cluster: DemoCluster | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await cluster?.remove();
});

it('the demo stores keys like __proto__ without accessing prototypes', async () => {
  vi.stubEnv('NODE_OPTIONS', '--disable-proto=throw');
  cluster = await DemoCluster.create(1);
  await cluster.start();
  const url = (key: string): string => `${cluster?.url('n1')}/kv/${encodeURIComponent(key)}`;
  for (const key of KEYS) {
    expect((await fetch(url(key))).status, key).toBe(404);
    expect((await fetch(url(key), { method: 'PUT', body: `value of ${key}` })).status, key).toBe(204);
  }
  for (const key of KEYS) expect(await (await fetch(url(key))).text()).toBe(`value of ${key}`);
  const listed = (await (await fetch(`${cluster.url('n1')}/kv`)).json()) as { keys: { key: string }[] };
  expect(listed.keys.map(({ key }) => key)).toEqual([...KEYS].sort());
  for (const key of KEYS) expect((await fetch(url(key), { method: 'DELETE' })).status, key).toBe(204);
});
