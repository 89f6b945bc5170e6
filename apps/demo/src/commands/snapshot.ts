import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { HttpClient } from '@kontiki/client';
import { isKontikiError } from '@kontiki/core';
import { checkSnapshot, MAX_SNAPSHOT_HEAD, readSnapshotHead, type SnapshotHead } from '@kontiki/core/wire';
import { COMMAND, CliError, EXIT, parse, wholeNumber } from '../cli.js';
import { saveSnapshot } from '../client/save-snapshot.js';
import { StreamProgress } from '../client/progress.js';
import { SnapshotClient } from '../client/snapshot-client.js';
import { didYouMean } from '../did-you-mean.js';
import { nodesFlags, nodesHelp, nodesOf } from './nodes.js';

const common = `${nodesHelp}  --timeout MS      milliseconds without data from a node before the next one is asked (default 60000)
  --help            print this text

Exit codes: 0 success, 1 failure, 2 invalid command line.
`;

const helps = {
  take: `Takes a snapshot on the first node that can be reached.

  ${COMMAND} snapshot take

${common}`,
  save: `Copies the newest snapshot of the first node that can be reached to FILE. Checks every byte and overwrites nothing.

  ${COMMAND} snapshot save FILE

${common}`,
  inspect: `Prints the origin of a snapshot file and checks every byte of it.

  ${COMMAND} snapshot inspect FILE

Exit codes: 0 the file is intact, 1 it is damaged or unreadable, 2 invalid command line.
`,
} as const;

const help = `Takes, copies and checks snapshots.

  ${COMMAND} snapshot take             takes a snapshot on a running node
  ${COMMAND} snapshot save FILE        copies the newest snapshot of a node to a file
  ${COMMAND} snapshot inspect FILE     prints the origin of a snapshot file and checks it

  ${COMMAND} snapshot COMMAND --help   prints the flags of a command
`;

export async function snapshotCommand([action = '', ...args]: string[]): Promise<number> {
  if (action === '--help' || action === '-h') {
    process.stdout.write(help);
    return 0;
  }
  if (action !== 'take' && action !== 'save' && action !== 'inspect') {
    const problem =
      action === ''
        ? 'A snapshot command is missing: take, save or inspect.'
        : `There is no snapshot command ${JSON.stringify(action)}.${didYouMean(action, Object.keys(helps))}`;
    throw new CliError(`${problem} See: ${COMMAND} snapshot --help`, EXIT.usage);
  }
  const flags = action === 'inspect' ? {} : ({ ...nodesFlags, timeout: { type: 'string' } } as const);
  const parsed = parse(`snapshot ${action}`, args, flags, action === 'take' ? [] : ['FILE']);
  if (parsed.values['help'] === true) {
    process.stdout.write(helps[action]);
    return 0;
  }
  const file = resolve(parsed.positionals[0] ?? '');
  if (action === 'inspect') return inspect(file);
  const timeout = wholeNumber('timeout', parsed.values['timeout'], 1, 86_400_000) ?? 60_000;
  const nodes = nodesOf(parsed);
  const client = new SnapshotClient(new HttpClient(nodes), nodes.urls, timeout);
  return action === 'take' ? take(client) : save(client, file);
}

async function take(client: SnapshotClient): Promise<number> {
  const { url, index, term, bytes } = await client.take();
  process.stdout.write(`${url} took a snapshot of entry ${index} of term ${term}: ${bytes} bytes\n`);
  return 0;
}

async function save(client: SnapshotClient, file: string): Promise<number> {
  const { url, last, bytes } = await saveSnapshot(client, file);
  process.stdout.write(
    `saved the snapshot of entry ${last.index} from ${url} to ${file}: ${bytes} bytes, all checked\n`,
  );
  return 0;
}

async function inspect(file: string): Promise<number> {
  try {
    const { size } = await stat(file);
    for await (const start of createReadStream(file, {
      end: MAX_SNAPSHOT_HEAD - 1,
      highWaterMark: MAX_SNAPSHOT_HEAD,
    })) {
      print(readSnapshotHead(start as Uint8Array));
      break;
    }
    const progress = new StreamProgress('checked', size);
    const { state } = await checkSnapshot(progress.watch(createReadStream(file, { highWaterMark: MAX_SNAPSHOT_HEAD })));
    process.stdout.write(`state       ${state} bytes in a file of ${size} bytes, all checksums match\n`);
    return 0;
  } catch (error) {
    throw new CliError(describe(file, error), EXIT.failed, { cause: error });
  }
}

function print({ id, cluster, last, membership, version, compression }: SnapshotHead): void {
  const servers = [...membership.membership.servers].map(([server, { address }]) => `${server} ${address}`);
  process.stdout.write(`snapshot    ${id}
cluster     ${cluster}
last entry  ${last.index} of term ${last.term}
members     ${servers.join(', ')} (entry ${membership.index})
machine     version ${version}
compressed  ${compression === 0 ? 'no' : compression === 1 ? 'gzip' : `unknown method ${compression}`}
`);
}

function describe(file: string, error: unknown): string {
  if (!isKontikiError(error)) return `Cannot read ${file}: ${(error as Error).message}.`;
  return `${file}: ${error.message} [${error.code}]`;
}
