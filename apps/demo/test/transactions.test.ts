// Shows how transactions take effect and how a node responds to them. The node runs on a virtual
// clock.
import { expect, it } from 'vitest';
import { MAX_TRANSACTION_BODY, parseTransaction } from '../src/http/transaction-body.js';
import { MAX_OPERATIONS } from '../src/kv/transaction.js';
import { MAX_KEY, MAX_TTL, MAX_VALUE } from '../src/kv/write.js';
import { VirtualNode } from './virtual-node.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const put = (key: string, value = '', ttl?: number): unknown => ({ put: key, value: base64(value), ttl });
const contentOf = ({ machine }: VirtualNode): unknown =>
  machine.list('', Infinity).map(([key, { value, revision }]) => [key, Buffer.from(value).toString(), revision]);

/** Sets keys, and returns their revisions. */
async function revisionsOf(node: VirtualNode, ...keys: string[]): Promise<number[]> {
  const revisions: number[] = [];
  for (const key of keys) {
    const { headers } = await node.request('PUT', `/kv/${key}`, key);
    revisions.push(Number(headers.get('etag')?.replaceAll('"', '')));
  }
  return revisions;
}

it('a transaction whose comparisons hold makes all writes at one revision', async () => {
  const node = await VirtualNode.start();
  const [a, b] = await revisionsOf(node, 'a', 'b');
  const compare = [
    { key: 'a', revision: a },
    { key: 'b', revision: b },
    { key: 'ä', revision: null },
  ];
  const success = [put('a', 'new'), put('ä', 'first'), { delete: 'b' }, { delete: 'c' }];
  const { status, json } = await node.request('POST', '/kv', { compare, success });
  expect([status, json]).toEqual([
    200,
    { revision: expect.any(Number), results: ['written', 'written', 'deleted', 'absent'] },
  ]);
  expect(json.revision).toBeGreaterThan(b!);
  expect(contentOf(node)).toEqual([
    ['a', 'new', json.revision],
    ['ä', 'first', json.revision],
  ]);
});

it('a transaction with a failed comparison writes nothing, and names the keys', async () => {
  const node = await VirtualNode.start();
  const [a, b] = await revisionsOf(node, 'a', 'b');
  const before = contentOf(node);
  const compare = [
    { key: 'a', revision: a },
    { key: 'b', revision: a },
    { key: 'c', revision: 9 },
    { key: 'd', revision: null },
  ];
  const { status, json } = await node.request('POST', '/kv', { compare, success: [put('a'), { delete: 'b' }] });
  expect([status, json]).toEqual([
    412,
    {
      error: {
        code: 'CONFLICT',
        message: `Nothing was written, because a comparison failed: "b" is at revision ${b}, "c" does not exist.`,
      },
      failed: [
        { key: 'b', revision: b },
        { key: 'c', revision: null },
      ],
    },
  ]);
  expect(contentOf(node)).toEqual(before);
});

it('a transaction without comparisons always takes effect', async () => {
  const node = await VirtualNode.start();
  expect((await node.request('POST', '/kv', { success: [put('a', 'x')] })).status).toBe(200);
  expect(contentOf(node)).toEqual([['a', 'x', expect.any(Number)]]);
});

it('a key that a transaction sets with a ttl expires', async () => {
  const node = await VirtualNode.start();
  await node.request('POST', '/kv', { success: [put('a', 'x', 500), put('b', 'x')] });
  expect((await node.request('GET', '/kv/a')).headers.get('kontiki-ttl')).toBe('500');
  await node.elapse(500);
  const compare = [{ key: 'a', revision: null }];
  expect((await node.request('POST', '/kv', { compare, success: [{ delete: 'b' }] })).status).toBe(200);
  expect(node.machine.size).toBe(0);
});

it('a transaction that is sent twice in a session is applied once', async () => {
  const node = await VirtualNode.start();
  const { session } = (await node.request('POST', '/sessions')).json;
  const send = async (sequence: number, body: unknown): Promise<unknown> => {
    const { status, json } = await node.request('POST', '/kv', body, { 'Kontiki-Session': `${session} ${sequence} 0` });
    return [status, json];
  };
  const body = { compare: [{ key: 'a', revision: null }], success: [put('a'), { delete: 'b' }] };
  const first = await send(1, body);
  expect(first).toEqual([200, { revision: expect.any(Number), results: ['written', 'absent'] }]);
  const failed = await send(2, body);
  expect(failed).toMatchObject([412, { failed: [{ key: 'a', revision: expect.any(Number) }] }]);
  await node.request('DELETE', '/kv/a');
  // The retries get the results of the first attempts.
  expect([await send(1, body), await send(2, body)]).toEqual([first, failed]);
  expect(node.machine.size).toBe(0);
});

const many = (count: number): unknown[] => Array.from({ length: count }, (_, i) => put(`${i}`));
const success = [put('a')];

it('a node refuses an invalid transaction, and names the invalid part', async () => {
  const node = await VirtualNode.start();
  const cases: readonly (readonly [body: unknown, code: string, message: string])[] = [
    ['{', 'TRANSACTION', 'The transaction must be JSON'],
    ['[]', 'TRANSACTION', 'The transaction must be an object'],
    ['null', 'TRANSACTION', 'The transaction must be an object'],
    [{}, 'TRANSACTION', 'success must be a list'],
    [{ success: [] }, 'TRANSACTION', 'success must have at least one operation'],
    [{ success, failure: [] }, 'TRANSACTION', 'must have no field "failure", only compare, success'],
    [{ success, compare: {} }, 'TRANSACTION', 'compare must be a list'],
    [{ success, compare: [null] }, 'TRANSACTION', 'compare[0] must be an object'],
    [{ success, compare: [{ key: 'a' }] }, 'TRANSACTION', 'compare[0].revision must be'],
    [{ success, compare: [{ key: 'a', revision: 0 }] }, 'TRANSACTION', 'compare[0].revision must be'],
    [{ success, compare: [{ key: 'a', revision: 1.5 }] }, 'TRANSACTION', 'compare[0].revision must be'],
    [{ success, compare: [{ revision: 1 }] }, 'KEY', 'compare[0].key must be a key of 1 to 512 bytes'],
    [{ success, compare: [{ key: 'a', revision: 1, value: '' }] }, 'TRANSACTION', 'no field "value"'],
    [
      {
        success,
        compare: [
          { key: 'a', revision: 1 },
          { key: 'a', revision: null },
        ],
      },
      'TRANSACTION',
      'compare must name each key at most once, but names "a" twice',
    ],
    [
      { success: [put('a'), { delete: 'a' }] },
      'TRANSACTION',
      'success must name each key at most once, but names "a" twice',
    ],
    [{ success: [put('a'), {}] }, 'KEY', 'success[1].put must be a key'],
    [{ success: [put('')] }, 'KEY', 'success[0].put must be a key'],
    [{ success: [put('ä'.repeat(MAX_KEY / 2 + 1))] }, 'KEY', 'success[0].put must be a key'],
    [{ success: [put('\ud800')] }, 'KEY', 'success[0].put must be a key'],
    [{ success: [{ delete: 7 }] }, 'KEY', 'success[0].delete must be a key'],
    [{ success: [{ delete: 'a', put: 'a' }] }, 'TRANSACTION', 'success[0] must have no field "put", only delete'],
    [{ success: [{ put: 'a' }] }, 'TRANSACTION', 'success[0].value must be a value in base64'],
    [{ success: [{ put: 'a', value: 'YQ' }] }, 'TRANSACTION', 'success[0].value must be a value in base64'],
    [{ success: [{ put: 'a', value: '', ttl: 0 }] }, 'TTL', 'success[0].ttl must be a whole number'],
    [{ success: [{ put: 'a', value: '', ttl: '5' }] }, 'TTL', 'success[0].ttl must be a whole number'],
    [{ success: [{ put: 'a', value: '', ttl: MAX_TTL + 1 }] }, 'TTL', 'success[0].ttl must be a whole number'],
    [{ success: many(MAX_OPERATIONS + 1) }, 'TRANSACTION', `success must have at most ${MAX_OPERATIONS} items`],
  ];
  for (const [body, code, message] of cases) {
    const { status, json } = await node.request('POST', '/kv', body);
    expect([status, json]).toEqual([400, { error: { code, message: expect.stringContaining(message) } }]);
  }
  expect(node.machine.size).toBe(0);
});

it('a node limits the bytes of a transaction', async () => {
  const node = await VirtualNode.start();
  const half = 'x'.repeat(MAX_VALUE / 2 - 1);
  const statuses: unknown[] = [];
  for (const body of [
    { success: [put('a', half), put('b', half)] },
    { success: [put('a', half), put('b', `${half}x`)] },
    ' '.repeat(MAX_TRANSACTION_BODY + 1),
  ]) {
    const { status, json } = await node.request('POST', '/kv', body);
    statuses.push([status, json.error?.code]);
  }
  expect(statuses).toEqual([
    [200, undefined],
    [413, 'TOO_LARGE'],
    [413, 'TOO_LARGE'],
  ]);
  expect((await node.request('POST', '/kv', { success: many(MAX_OPERATIONS) })).status).toBe(200);
});

it('/kv supports only GET and POST, and refuses transactions from web pages', async () => {
  const node = await VirtualNode.start();
  const refused = await node.request('PUT', '/kv', 'x');
  expect([refused.status, refused.json.error.message]).toEqual([405, '/kv supports only GET and POST.']);
  const headers = { Origin: 'http://evil.example' };
  expect((await node.request('POST', '/kv', { success }, headers)).status).toBe(403);
  expect(node.machine.size).toBe(0);
});

it('a transaction with a condition in a header, or with invalid UTF-8, is refused', async () => {
  const node = await VirtualNode.start();
  const headers = { 'If-Match': '"1"' };
  const condition = await node.request('POST', '/kv', { success: [put('a')] }, headers);
  expect([condition.status, condition.json.error.code]).toEqual([400, 'CONDITION']);
  const key = Buffer.concat([Buffer.from('{"success":[{"put":"'), Buffer.of(0xff), Buffer.from('","value":""}]}')]);
  expect(() => parseTransaction(key)).toThrow('must be JSON in UTF-8');
  expect(contentOf(node)).toEqual([]);
});
