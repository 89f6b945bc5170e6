import { readFileSync } from 'node:fs';
import type { MembershipStep } from '@kontiki/core';
import { COMMAND, CliError, EXIT, parse } from '../cli.js';
import { MembersClient, type MemberList } from '../client/members-client.js';
import { clientUrl, readClusterFile, updateClusterFile } from '../cluster/cluster-file.js';
import { didYouMean } from '../did-you-mean.js';
import type { MemberChange } from '../http/members-api.js';
import { nodesFlags, nodesHelp, nodesOf } from './nodes.js';

const help = `Shows and changes the members of a running cluster.

  ${COMMAND} member list                 print the members
  ${COMMAND} member add ID ADDRESS       add a voter, once it has received the log
  ${COMMAND} member add-learner ID ADDRESS
  ${COMMAND} member promote ID           make a voter of a learner
  ${COMMAND} member demote ID            make a learner of a voter
  ${COMMAND} member remove ID            remove a server; stop it afterwards
  ${COMMAND} member replace OLD ID ADDRESS   put a new server in the place of an old one
  ${COMMAND} member address ID ADDRESS   change the address for other servers
  ${COMMAND} member reconcile MEMBERS    make all changes that lead to these members
  ${COMMAND} member transfer [ID]        hand over the leadership
  ${COMMAND} member raise                raise the feature level, once every node is upgraded

A new server of this demo is started by: ${COMMAND} node --join
The other commands are for servers that run already, with blank stores.

MEMBERS is a JSON file or JSON, with all members as they should be: their addresses, or their addresses,
metadata and parts. Members that it does not name are removed. For example:

  {"n1": "ws://10.0.0.1:5001", "n4": {"address": "ws://10.0.0.4:5001", "metadata": "http://10.0.0.4:4001", "learner": true}}

${nodesHelp}  --metadata TEXT   URL of a new server for clients, for redirects
                    (default with --data: the URL of the node of this cluster)
  --force           make the change even if no majority of the new voters answers now
  --dry-run         with reconcile: print the steps, and change nothing
  --help            print this text

Exit codes: 0 success, 1 refused or no answer, nothing was changed, 2 invalid command line,
4 unknown: the change may have come into force.
`;

/** Commands that do not accept --force. */
const UNFORCED: ReadonlySet<string> = new Set(['list', 'address', 'transfer', 'raise']);

/** The arguments of each change, in the order of the command line. */
const argumentsOf = {
  add: ['id', 'address'],
  'add-learner': ['id', 'address'],
  promote: ['id'],
  demote: ['id'],
  remove: ['id'],
  replace: ['id', 'with', 'address'],
  address: ['id', 'address'],
  transfer: [],
  raise: [],
  reconcile: ['members'],
} as const satisfies Partial<Record<MemberChange['change'], readonly (keyof MemberChange | 'members')[]>>;

/**
 * The text that `reconcile` prints for each kind of step. If a command exists that takes only this
 * step, the text is that command.
 */
const verbs: Record<MembershipStep['kind'], string> = {
  addLearner: 'add-learner',
  promote: 'promote',
  demote: 'demote',
  remove: 'remove',
  setAddress: 'address',
  setMetadata: 'metadata',
};

export async function memberCommand([action = '', ...args]: string[]): Promise<number> {
  if (action === '--help' || action === '-h' || args.includes('--help')) {
    process.stdout.write(help);
    return 0;
  }
  const names = ['list', ...Object.keys(argumentsOf)];
  if (!names.includes(action)) {
    const problem =
      action === ''
        ? `A member command is missing: ${names.join(', ')}.`
        : `There is no member command ${JSON.stringify(action)}.${didYouMean(action, names)}`;
    throw new CliError(`${problem} See: ${COMMAND} member --help`, EXIT.usage);
  }
  const fields: readonly string[] = action === 'list' ? [] : argumentsOf[action as keyof typeof argumentsOf];
  // `transfer` is the only change with an optional argument.
  const given = action === 'transfer' && args[0]?.startsWith('-') === false ? ['id'] : fields;
  const flags = {
    ...nodesFlags,
    ...(UNFORCED.has(action) ? {} : { force: { type: 'boolean' } as const }),
    ...(action === 'reconcile'
      ? { 'dry-run': { type: 'boolean' } as const }
      : { metadata: { type: 'string' } as const }),
  };
  const parsed = parse(
    `member ${action}`,
    args,
    flags,
    given.map((name) => name.toUpperCase()),
  );
  const { data, ...nodes } = nodesOf(parsed);
  const client = new MembersClient(nodes);
  const force = parsed.values['force'] === true ? { force: true } : {};
  if (action === 'list') return print(await client.list());
  if (action === 'reconcile') {
    const desired = membersOf(parsed.positionals[0] as string);
    const dryRun = parsed.values['dry-run'] === true;
    const list = await client.change({ change: 'reconcile', desired, dryRun, ...force });
    if (!dryRun) await noteRemoved(data, list);
    return printSteps(list, dryRun);
  }
  const named = Object.fromEntries(given.map((name, i) => [name, parsed.positionals[i] as string]));
  const metadata =
    (parsed.values['metadata'] as string | undefined) ?? (action === 'add' ? urlOf(data, named) : undefined);
  const change = {
    change: action as MemberChange['change'],
    ...named,
    ...(metadata === undefined ? {} : { metadata }),
    ...force,
  };
  const list = await client.change(change);
  await noteRemoved(data, list);
  return print(list);
}

/** Returns a node's URL for clients from the cluster file, if the file names the node. */
function urlOf(data: string | undefined, { id }: { readonly id?: string }): string | undefined {
  const cluster = data === undefined ? undefined : readClusterFile(data);
  const node = cluster?.nodes.find((one) => one.id === id);
  return cluster === undefined || node === undefined ? undefined : clientUrl(node, cluster);
}

/** Records in the cluster file which nodes are not members, so that `demo` does not start them. */
async function noteRemoved(data: string | undefined, { members }: MemberList): Promise<void> {
  if (data === undefined || members.length === 0) return;
  const update = updateClusterFile(data, (file) => ({
    ...file,
    nodes: file.nodes.map((node) => {
      const { removed, ...member } = node;
      if (node.joining === true || members.some(({ id }) => id === node.id)) return member;
      return removed === true ? node : { ...node, removed: true };
    }),
  }));
  await update.catch((error: unknown) => {
    const text = `The members have changed, but cluster.json could not be updated: ${(error as Error).message}`;
    process.stderr.write(`kontiki-demo: ${text}\n`);
  });
}

/** Parses the argument of `reconcile`. The node checks the members. */
function membersOf(argument: string): NonNullable<MemberChange['desired']> {
  const isJson = argument.trimStart().startsWith('{');
  const source = isJson ? 'MEMBERS' : argument;
  try {
    return JSON.parse(isJson ? argument : readFileSync(argument, 'utf8')) as NonNullable<MemberChange['desired']>;
  } catch (error) {
    throw new CliError(
      `${source} cannot be read: ${(error as Error).message.replace(/\.$/, '')}. Name a JSON file, or write JSON in quotes. See: ${COMMAND} member --help`,
      EXIT.usage,
      { cause: error },
    );
  }
}

function printSteps(list: MemberList, dryRun: boolean): number {
  const steps = list.steps ?? [];
  for (const { kind, id, ...info } of steps) {
    const { address = '', metadata = '' }: { address?: string; metadata?: string } = info;
    process.stdout.write(`${[verbs[kind], id, address, metadata].filter((word) => word !== '').join(' ')}\n`);
  }
  if (steps.length === 0) process.stdout.write('The cluster has these members already.\n');
  if (dryRun) {
    if (steps.length > 0)
      process.stdout.write('Nothing was changed. Without --dry-run, the leader makes these steps.\n');
    return 0;
  }
  return print(list);
}

function print({ leader, level, members }: MemberList): number {
  for (const { id, address, part } of members)
    process.stdout.write(`${id}  ${part.padEnd(7)}  ${address}${id === leader ? '  leads' : ''}\n`);
  if (level !== null) process.stdout.write(`feature level ${level}\n`);
  return 0;
}
