import { COMMAND, CliError, EXIT, parse } from '../cli.js';
import { MembersClient, type MemberList } from '../client/members-client.js';
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
  ${COMMAND} member transfer [ID]        hand over the leadership
  ${COMMAND} member raise                raise the feature level, once every node is upgraded

A new server of this demo is started by: ${COMMAND} node --join
The other commands are for servers that run already, with blank stores.

${nodesHelp}  --metadata TEXT   URL of a new server for clients, for redirects
  --help            print this text

Exit codes: 0 success, 1 refused or no answer, nothing was changed, 2 invalid command line,
4 unknown: the change may have come into force.
`;

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
} as const satisfies Partial<Record<MemberChange['change'], readonly (keyof MemberChange)[]>>;

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
  // Only `transfer` has an argument that may be missing.
  const given = action === 'transfer' && args[0]?.startsWith('-') === false ? ['id'] : fields;
  const flags = { ...nodesFlags, metadata: { type: 'string' } } as const;
  const parsed = parse(
    `member ${action}`,
    args,
    flags,
    given.map((name) => name.toUpperCase()),
  );
  const { http, urls } = nodesOf(parsed);
  const client = new MembersClient(http, urls);
  if (action === 'list') return print(await client.list());
  const change = {
    change: action as MemberChange['change'],
    ...Object.fromEntries(given.map((name, i) => [name, parsed.positionals[i] as string])),
    ...(parsed.values['metadata'] === undefined ? {} : { metadata: parsed.values['metadata'] as string }),
  };
  return print(await client.change(change));
}

function print({ leader, level, members }: MemberList): number {
  for (const { id, address, part } of members)
    process.stdout.write(`${id}  ${part.padEnd(7)}  ${address}${id === leader ? '  leads' : ''}\n`);
  if (level !== null) process.stdout.write(`feature level ${level}\n`);
  return 0;
}
