import { createReadStream } from 'node:fs';
import { COMMAND, CliError, EXIT, parse, wholeNumber } from '../cli.js';
import { readInput } from '../client/read-input.js';
import { MAX_TRANSACTION_BODY } from '../http/transaction-body.js';
import { clientFlags, clientHelp, exitCodes, refused, send } from './client.js';
import { nodesOf } from './nodes.js';

const help = `Writes several keys at one revision if all comparisons hold, and otherwise none of them.

  ${COMMAND} txn FILE     if FILE is -, the transaction is read from standard input

${clientHelp}
Example of a transaction:

  { "compare": [{ "key": "stock", "revision": 17 }, { "key": "order", "revision": null }],
    "success": [{ "put": "order", "value": "aGVsbG8=", "ttl": 30000 }, { "delete": "stock" }] }

A comparison holds if the key is at the revision, or does not exist if the revision is null. Values
are in base64. With a ttl, the key expires after this number of milliseconds.

Prints the revision and the result of each operation (written, deleted or absent) as JSON.
${exitCodes}`;

export async function txnCommand(args: string[]): Promise<number> {
  const parsed = parse('txn', args, clientFlags, ['FILE']);
  if (parsed.values['help'] === true) {
    process.stdout.write(help);
    return 0;
  }
  const nodes = nodesOf(parsed);
  const limit = wholeNumber('timeout', parsed.values['timeout'], 1, 3_600_000) ?? 10_000;
  const body = await transactionIn(parsed.positionals[0] as string);
  const headers = { 'Content-Type': 'application/json' };
  const response = await send(nodes, { method: 'POST', path: '/kv', headers, body }, limit);
  if (response.status !== 200) throw refused(response);
  process.stdout.write(response.body);
  return 0;
}

async function transactionIn(file: string): Promise<Uint8Array> {
  try {
    return await readInput('transaction', file === '-' ? process.stdin : createReadStream(file), MAX_TRANSACTION_BODY);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`Cannot read the transaction. Nothing was sent.`, EXIT.usage, { cause: error });
  }
}
