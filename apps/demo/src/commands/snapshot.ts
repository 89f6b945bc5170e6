import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isKontikiError } from '@kontiki/core';
import { checkSnapshot, MAX_SNAPSHOT_HEAD, readSnapshotHead, type SnapshotHead } from '@kontiki/core/wire';
import { CliError, EXIT, parse, wholeNumber } from '../cli.js';
import { saveSnapshot } from '../client/save-snapshot.js';
import { Progress } from '../client/progress.js';
import { SnapshotClient } from '../client/snapshot-client.js';
import { urlsOf } from './client.js';

const common = `  --url URL         a node, the first that is reached; may be given more than once (default: those of --data)
  --data DIR        the cluster's folder (default kontiki-data)
  --timeout MS      how long a node may be silent (default 60000)
  --help            this text

Exit codes: 0 done, 1 failed, 2 bad flags.
`;

const helps = {
  take: `Has a running node take a snapshot now.

  kontiki-demo snapshot take

${common}`,
  save: `Copies the newest snapshot out of a running node, every byte of it checked. Overwrites nothing.

  kontiki-demo snapshot save FILE

${common}`,
  inspect: `Prints what a snapshot file is of, and checks every byte of it.

  kontiki-demo snapshot inspect FILE

Exit codes: 0 it is whole, 1 it is not, 2 bad flags.
`,
} as const;

const help = `Snapshots of running nodes.

  kontiki-demo snapshot take            have a node take one
  kontiki-demo snapshot save FILE       copy the newest out of a node
  kontiki-demo snapshot inspect FILE    print what a file is of, and check it

  kontiki-demo snapshot COMMAND --help  more of each
`;

const asking = {
  url: { type: 'string', multiple: true },
  data: { type: 'string' },
  timeout: { type: 'string' },
} as const;

export async function snapshotCommand([action = '', ...args]: string[]): Promise<number> {
  if (action === '--help') {
    process.stdout.write(help);
    return 0;
  }
  if (action !== 'take' && action !== 'save' && action !== 'inspect') {
    const what =
      action === '' ? 'take, save or inspect is missing.' : `There is no snapshot ${JSON.stringify(action)}.`;
    throw new CliError(`${what} See: kontiki-demo snapshot --help`, EXIT.usage);
  }
  const flags = action === 'inspect' ? {} : asking;
  const parsed = parse(`snapshot ${action}`, args, flags, action === 'take' ? [] : ['FILE']);
  if (parsed.values['help'] === true) {
    process.stdout.write(helps[action]);
    return 0;
  }
  const file = resolve(parsed.positionals[0] ?? '');
  if (action === 'inspect') return inspect(file);
  const timeout = wholeNumber('timeout', parsed.values['timeout'], 1, 86_400_000) ?? 60_000;
  const client = new SnapshotClient(urlsOf(parsed), timeout);
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
    `${file}: the snapshot of entry ${last.index} of ${url}, ${bytes} bytes, each of them checked\n`,
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
    const progress = new Progress('checked', size);
    const { state } = await checkSnapshot(progress.over(createReadStream(file, { highWaterMark: MAX_SNAPSHOT_HEAD })));
    process.stdout.write(`state       ${state} bytes, in a file of ${size}: every checksum is right\n`);
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
compressed  ${compression === 0 ? 'no' : compression === 1 ? 'gzip' : `in way ${compression}`}
`);
}

function describe(file: string, error: unknown): string {
  if (!isKontikiError(error)) return `${file} cannot be read: ${(error as Error).message}.`;
  return `${file}: ${error.message} [${error.code}]`;
}
