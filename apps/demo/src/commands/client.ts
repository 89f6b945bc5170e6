import { ClientError, ClusterClient, HttpClient, type NodeRequest, type NodeResponse } from '@kontiki/client';
import { COMMAND, CliError, EXIT, parse, wholeNumber, type ParsedArgs } from '../cli.js';
import { messageIn } from '../client/message.js';
import { readInput } from '../client/read-input.js';
import { reportWaiting } from '../client/waiting.js';
import { MAX_TTL, MAX_VALUE } from '../kv/write.js';
import { nodesFlags, nodesHelp, nodesOf, type Nodes } from './nodes.js';

/** Help text for the flags that all client commands accept. */
export const clientHelp = `${nodesHelp}  --timeout MS      time limit in milliseconds, including retries (default 10000)
  --help            print this text
`;

export const exitCodes = `
Exit codes: 0 success, 1 refused or no answer, nothing was written, 2 invalid command line,
3 no such key or condition not met, 4 unknown at the time limit: the write may have taken effect.
`;

const helpOf: Record<string, string> = {
  get: `Prints the value of a key. The read is linearizable.

  ${COMMAND} get KEY [--local]

  --local           read the node's own copy of the value, which may be out of date
${clientHelp}${exitCodes}`,
  put: `Sets a key to a value. Prints the new revision of the key on standard error.

  ${COMMAND} put KEY VALUE     if VALUE is -, it is read from standard input

  --if-match N      write only if the key is at revision N
  --if-absent       write only if the key does not exist
  --ttl MS          the key expires after this number of milliseconds (default: never)
${clientHelp}${exitCodes}`,
  delete: `Deletes a key.

  ${COMMAND} delete KEY

  --if-match N      delete only if the key is at revision N
${clientHelp}${exitCodes}`,
  status: `Prints the role, term, log positions and process id of each node.

  ${COMMAND} status

${clientHelp}
Exit codes: 0 success, 1 no node answered, 2 invalid command line.
`,
};

/** The flags that all client commands accept. */
export const clientFlags = { ...nodesFlags, timeout: { type: 'string' } } as const;

const flags = {
  local: { type: 'boolean' },
  'if-match': { type: 'string' },
  'if-absent': { type: 'boolean' },
  ttl: { type: 'string' },
} as const;

const flagsOf = {
  get: ['local'],
  put: ['if-match', 'if-absent', 'ttl'],
  delete: ['if-match'],
  status: [],
} as const satisfies Record<string, readonly (keyof typeof flags)[]>;

const argumentsOf = { get: ['KEY'], put: ['KEY', 'VALUE'], delete: ['KEY'], status: [] } as const;

type ClientCommand = keyof typeof flagsOf;

export async function clientCommand(command: ClientCommand, args: string[]): Promise<number> {
  const own = Object.fromEntries(flagsOf[command].map((flag) => [flag, flags[flag]]));
  const options = { ...clientFlags, ...own };
  const parsed = parse(command, args, options, argumentsOf[command]);
  if (parsed.values['help'] === true) {
    process.stdout.write(helpOf[command] as string);
    return 0;
  }
  const nodes = nodesOf(parsed);
  const limit = wholeNumber('timeout', parsed.values['timeout'], 1, 3_600_000) ?? 10_000;
  if (command === 'status') return status(nodes, limit);
  return key(command, parsed, nodes, limit);
}

async function key(
  command: Exclude<ClientCommand, 'status'>,
  { values, positionals }: ParsedArgs,
  nodes: Nodes,
  limit: number,
): Promise<number> {
  const ttl = wholeNumber('ttl', values['ttl'], 1, MAX_TTL);
  const query = values['local'] === true ? '?consistency=local' : ttl === undefined ? '' : `?ttl=${ttl}`;
  const path = `${keyPath(positionals[0] as string)}${query}`;
  const headers: Record<string, string> = {};
  const revision = wholeNumber('if-match', values['if-match'], 1, Number.MAX_SAFE_INTEGER);
  if (revision !== undefined) headers['If-Match'] = `"${revision}"`;
  if (values['if-absent'] === true) headers['If-None-Match'] = '*';
  const method = { get: 'GET', put: 'PUT', delete: 'DELETE' } as const;
  const body = command === 'put' ? await valueOf(positionals[1] as string) : undefined;
  const response = await send(nodes, { method: method[command], path, headers, body }, limit);
  if (response.status === 200) process.stdout.write(response.body);
  else if (response.status === 204)
    process.stderr.write(`${command === 'put' ? `revision ${revisionOf(response)}` : 'deleted'}\n`);
  else throw refused(response);
  return 0;
}

/** Returns the path of a key in URLs. */
export function keyPath(name: string): string {
  // URL parsers resolve the path segments `.` and `..` even if they are percent-encoded.
  if (name === '.' || name === '..')
    throw new CliError(`The key ${JSON.stringify(name)} cannot be part of a URL. Use another key.`, EXIT.usage);
  return `/kv/${encodeURIComponent(name)}`;
}

/** Sends a request to any node. A write is applied once, although it may be sent several times. */
export async function send(nodes: Nodes, request: NodeRequest, limit: number): Promise<NodeResponse> {
  const client = new ClusterClient({ ...nodes, timeout: limit });
  try {
    return await reportWaiting(limit, (onRetry) =>
      client[request.method === 'GET' ? 'read' : 'write'](request, { onRetry }),
    );
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'KONTIKI_UNKNOWN_OUTCOME') throw error;
    throw new CliError(`UNKNOWN: ${error.message}`, EXIT.unknown, { cause: error });
  } finally {
    client.close();
  }
}

function valueOf(argument: string): Promise<Uint8Array> {
  return readInput('value', argument === '-' ? process.stdin : [Buffer.from(argument)], MAX_VALUE);
}

function revisionOf({ headers }: NodeResponse): string {
  return (headers.etag ?? '').replaceAll('"', '');
}

/** Returns the error for a response that refuses a request. */
export function refused({ status, body }: NodeResponse): CliError {
  const message = messageIn(body);
  return new CliError(message, status === 404 || status === 412 ? EXIT.notFound : EXIT.failed);
}

/**
 * Prints a line per node. Sends all requests at the same time, so that a slow node does not delay
 * the other lines.
 */
async function status(nodes: Nodes, limit: number): Promise<number> {
  const { urls } = nodes;
  const http = new HttpClient(nodes);
  const failures: unknown[] = [];
  const lines = urls.map(async (url) => {
    try {
      return `${url}  ${describeStatus(await http.send(url, { method: 'GET', path: '/status' }, limit))}\n`;
    } catch (error) {
      failures.push(error);
      return `${url}  ${error instanceof ClientError ? 'is not trusted' : 'does not answer'}\n`;
    }
  });
  for (const line of lines) process.stdout.write(await line);
  if (failures.length < urls.length) return 0;
  const untrusted = failures.find((error) => error instanceof ClientError);
  throw untrusted ?? new CliError('No node answered. Check that the cluster is running.');
}

function describeStatus({ status, body }: NodeResponse): string {
  if (status === 401) return 'needs --token-file';
  const fields = JSON.parse(body.toString()) as Record<string, unknown>;
  const names = ['id', 'role', 'term', 'leader', 'base', 'last', 'committed', 'applied', 'keys', 'level', 'pid'];
  return names.map((name) => `${name} ${String(fields[name])}`).join('  ');
}
