// Shows what the commands put --ttl and txn write and print. They run in this process.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { after } from '../../../packages/peers/test/transports/servers.js';
import { clientCommand } from '../src/commands/client.js';
import { txnCommand } from '../src/commands/txn.js';
import { MAX_TRANSACTION_BODY } from '../src/http/transaction-body.js';
import { VirtualNode } from './virtual-node.js';

/** Captures what the commands print on standard output. */
function captureOutput(): () => string {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const silent = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  after(() => [write, silent].forEach((spy) => spy.mockRestore()));
  return () => write.mock.calls.map(([text]) => String(text)).join('');
}

/** Returns the path of a file that exists during the test. */
function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-txn-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'transaction.json');
  writeFileSync(path, text);
  return path;
}

const transaction = JSON.stringify({
  compare: [{ key: 'a', revision: null }],
  success: [{ put: 'a', value: 'eA==', ttl: 500 }, { delete: 'b' }],
});

it('put --ttl sets a key that expires', async () => {
  const node = await VirtualNode.start();
  captureOutput();
  expect(await node.during(clientCommand('put', ['a', 'x', '--ttl', '500', '--url', node.url]))).toBe(0);
  expect((await node.request('GET', '/kv/a')).headers.get('kontiki-ttl')).toBe('500');
});

it('txn sends the transaction in a file, and prints the revision and results', async () => {
  const node = await VirtualNode.start();
  const output = captureOutput();
  expect(await node.during(txnCommand([fileWith(transaction), '--url', node.url]))).toBe(0);
  const { revision } = node.machine.get('a')!;
  expect(output()).toBe(`{"revision":${revision},"results":["written","absent"]}\n`);
});

it('txn reads the transaction from standard input', async () => {
  const node = await VirtualNode.start();
  captureOutput();
  const stdin = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([Buffer.from(transaction)]) as never);
  after(() => stdin.mockRestore());
  expect(await node.during(txnCommand(['-', '--url', node.url]))).toBe(0);
  expect(node.machine.get('a')?.value).toEqual(Uint8Array.of(0x78));
});

it('txn exits with 3 and names the keys if a comparison fails', async () => {
  const node = await VirtualNode.start();
  captureOutput();
  await node.request('PUT', '/kv/a', 'x');
  const { revision } = node.machine.get('a')!;
  await expect(node.during(txnCommand([fileWith(transaction), '--url', node.url]))).rejects.toMatchObject({
    message: `Nothing was written, because a comparison failed: "a" is at revision ${revision}.`,
    exitCode: 3,
  });
});

it('txn exits with 1 and names the mistake in a transaction', async () => {
  const node = await VirtualNode.start();
  captureOutput();
  await expect(node.during(txnCommand([fileWith('{"put": "a"}'), '--url', node.url]))).rejects.toMatchObject({
    message: 'The transaction must have no field "put", only compare, success. Nothing was written.',
    exitCode: 1,
  });
});

it('txn sends no transaction that is longer than a node accepts', async () => {
  const path = fileWith(' '.repeat(MAX_TRANSACTION_BODY + 1));
  await expect(txnCommand([path, '--url', 'http://127.0.0.1:1'])).rejects.toMatchObject({
    message: `The transaction has more than ${MAX_TRANSACTION_BODY} bytes. Nothing was sent.`,
    exitCode: 1,
  });
});
