import { resolve } from 'node:path';
import { CliError, EXIT, parse, wholeNumber, type ParsedArgs } from '../cli.js';
import { KvClient, type KvAnswer } from '../client/kv-client.js';
import { clientUrl, readClusterFile } from '../cluster/cluster-file.js';
import { MAX_VALUE } from '../kv/command.js';

const common = `  --url URL         a node, any of them; may be given more than once (default: those of --data)
  --data DIR        the cluster's folder (default kontiki-data)
  --timeout MS      for everything, retries included (default 10000)
  --help            this text

Exit codes: 0 done, 1 refused, 2 bad flags, 3 no such key or condition not met, 4 unknown: it may have been done.
`;

const clientHelp: Record<string, string> = {
  get: `Prints a key's value.

  kontiki-demo get KEY [--local]

  --local           what the node holds, however old, instead of a linearizable read
${common}`,
  put: `Sets a key.

  kontiki-demo put KEY VALUE          VALUE - reads standard input

  --if-match N      only if the key is at revision N
  --if-absent       only if the key is not there
${common}`,
  delete: `Deletes a key.

  kontiki-demo delete KEY

  --if-match N      only if the key is at revision N
${common}`,
  status: `Prints what each node says of itself.

  kontiki-demo status

${common}`,
};

const flags = {
  url: { type: 'string', multiple: true },
  data: { type: 'string' },
  timeout: { type: 'string' },
  local: { type: 'boolean' },
  'if-match': { type: 'string' },
  'if-absent': { type: 'boolean' },
} as const;

const flagsOf = {
  get: ['local'],
  put: ['if-match', 'if-absent'],
  delete: ['if-match'],
  status: [],
} as const satisfies Record<string, readonly (keyof typeof flags)[]>;

const argumentsOf = { get: ['KEY'], put: ['KEY', 'VALUE'], delete: ['KEY'], status: [] } as const;

export type ClientCommand = keyof typeof flagsOf;

export function isClientCommand(command: string): command is ClientCommand {
  return Object.hasOwn(flagsOf, command);
}

export async function clientCommand(command: ClientCommand, args: string[]): Promise<number> {
  const own = Object.fromEntries(flagsOf[command].map((flag) => [flag, flags[flag]]));
  const { url, data, timeout } = flags;
  const parsed = parse(command, args, { url, data, timeout, ...own }, argumentsOf[command]);
  if (parsed.values['help'] === true) {
    process.stdout.write(clientHelp[command] as string);
    return 0;
  }
  const urls = urlsOf(parsed);
  const limit = wholeNumber('timeout', parsed.values['timeout'], 1, 3_600_000) ?? 10_000;
  return command === 'status' ? status(urls, limit) : key(command, parsed, new KvClient(urls, limit));
}

/** Where the nodes are: as given, or as the cluster's folder says. */
export function urlsOf({ values }: ParsedArgs): string[] {
  const given = values['url'] as string[] | undefined;
  if (given !== undefined) {
    const bad = given.find((url) => !/^https?:\/\/[^/]+\/?$/.test(url) || !URL.canParse(url));
    if (bad !== undefined) throw new CliError(`--url takes http://HOST:PORT, not ${JSON.stringify(bad)}.`, EXIT.usage);
    return given.map((url) => url.replace(/\/$/, ''));
  }
  const data = resolve((values['data'] as string | undefined) ?? 'kontiki-data');
  const cluster = readClusterFile(data);
  if (cluster === undefined)
    throw new CliError(`${data} holds no cluster. Say where a node is with --url http://HOST:PORT.`, EXIT.usage);
  return cluster.nodes.map(clientUrl);
}

async function key(
  command: Exclude<ClientCommand, 'status'>,
  { values, positionals }: ParsedArgs,
  client: KvClient,
): Promise<number> {
  const name = positionals[0] as string;
  // They are steps in the path of a URL, however they are encoded.
  if (name === '.' || name === '..')
    throw new CliError(`No URL can name the key ${JSON.stringify(name)}. Take another.`, EXIT.usage);
  const path = `/kv/${encodeURIComponent(name)}${values['local'] === true ? '?consistency=local' : ''}`;
  const headers: Record<string, string> = {};
  const revision = wholeNumber('if-match', values['if-match'], 1, Number.MAX_SAFE_INTEGER);
  if (revision !== undefined) headers['If-Match'] = `"${revision}"`;
  if (values['if-absent'] === true) headers['If-None-Match'] = '*';
  const method = { get: 'GET', put: 'PUT', delete: 'DELETE' } as const;
  const body = command === 'put' ? await valueOf(positionals[1] as string) : undefined;
  const answer = await client.send({ method: method[command], path, headers, body });
  if (answer.status === 200) process.stdout.write(answer.body);
  else if (answer.status === 204)
    process.stderr.write(`${command === 'put' ? `revision ${revisionOf(answer)}` : 'deleted'}\n`);
  else throw refused(answer);
  return 0;
}

async function valueOf(argument: string): Promise<Uint8Array> {
  const value: Uint8Array[] = [];
  let length = 0;
  for await (const part of argument === '-' ? process.stdin : [Buffer.from(argument)]) {
    value.push(part as Uint8Array);
    length += (part as Uint8Array).length;
    // Sent, it would be refused behind the first bytes, and a connection cut while it sends tells nothing.
    if (length > MAX_VALUE) throw new CliError(`A value has up to ${MAX_VALUE} bytes. Nothing was sent.`);
  }
  return Buffer.concat(value);
}

function revisionOf({ headers }: KvAnswer): string {
  return (headers.get('etag') ?? '').replaceAll('"', '');
}

function refused({ status, body }: KvAnswer): CliError {
  const text = Buffer.from(body).toString();
  let message = text;
  try {
    message = (JSON.parse(text) as { error: { message: string } }).error.message;
  } catch {
    // Not one of ours: said as it came.
  }
  return new CliError(message, status === 404 || status === 412 ? EXIT.notFound : EXIT.failed);
}

async function status(urls: readonly string[], limit: number): Promise<number> {
  const signal = AbortSignal.timeout(limit);
  let answered = 0;
  for (const url of urls) {
    try {
      const response = await fetch(`${url}/status`, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
      const s = (await response.json()) as Record<string, unknown>;
      answered += 1;
      const fields = ['id', 'role', 'term', 'leader', 'base', 'last', 'committed', 'applied', 'keys', 'pid'];
      process.stdout.write(`${url}  ${fields.map((field) => `${field} ${String(s[field])}`).join('  ')}\n`);
    } catch {
      process.stdout.write(`${url}  does not answer\n`);
    }
  }
  if (answered === 0) throw new CliError('No node answers.');
  return 0;
}
