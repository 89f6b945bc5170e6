import { readFileSync } from 'node:fs';
import { COMMAND, CliError, DEMO_COMMAND, EXIT } from './cli.js';
import { describeFailure } from './describe-failure.js';
import { didYouMean } from './did-you-mean.js';

const help = `kontiki-demo: a replicated key/value store on Kontiki.

Start a cluster on this machine:

  ${DEMO_COMMAND}

Then, in another terminal: ${COMMAND} COMMAND

  put KEY VALUE      set a key
  get KEY            print the value of a key
  delete KEY         delete a key
  txn FILE           write several keys at once, if all comparisons hold
  watch KEY          print the value of a key, and each new value
  status             print the state of each node
  load               set keys as fast as the cluster accepts them
  snapshot COMMAND   take, copy and check snapshots
  member COMMAND     show and change the members
  node --id ID       run one node, for example after it was killed
  cert               create a certificate for a node of a cluster with --tls
  secret             print a new shared secret
  recover            recover a cluster that has lost the majority of its nodes
  restore            begin a new cluster from a saved snapshot
  migrate            move the data of a stopped node to another store
  demo               start a cluster (the same as above, without building)

Flags of a command: ${COMMAND} COMMAND --help
Version: ${COMMAND} --version
`;

type Run = (args: string[]) => Promise<number>;

const client =
  (command: 'put' | 'get' | 'delete' | 'status'): Run =>
  async (args) =>
    (await import('./commands/client.js')).clientCommand(command, args);

/**
 * The commands by name. Each command loads only the libraries that it needs, because loading all of
 * them takes a second.
 */
const commands: Readonly<Record<string, Run>> = {
  put: client('put'),
  get: client('get'),
  delete: client('delete'),
  status: client('status'),
  txn: async (args) => (await import('./commands/txn.js')).txnCommand(args),
  watch: async (args) => (await import('./commands/watch.js')).watchCommand(args),
  load: async (args) => (await import('./commands/load.js')).loadCommand(args),
  snapshot: async (args) => (await import('./commands/snapshot.js')).snapshotCommand(args),
  member: async (args) => (await import('./commands/member.js')).memberCommand(args),
  node: async (args) => (await import('./commands/node.js')).nodeCommand(args),
  cert: async (args) => (await import('./commands/cert.js')).certCommand(args),
  secret: async (args) => (await import('./commands/cert.js')).secretCommand(args),
  recover: async (args) => (await import('./commands/recover.js')).recoverCommand(args),
  restore: async (args) => (await import('./commands/restore.js')).restoreCommand(args),
  migrate: async (args) => (await import('./commands/migrate.js')).migrateCommand(args),
  demo: async (args) => (await import('./commands/demo.js')).demoCommand(args),
};

async function main([command = '', ...args]: string[]): Promise<number> {
  if (command === '--version' || args[0] === '--version') return print(`kontiki-demo ${version()}\n`);
  if (command === '--help' || command === '-h' || command === 'help') return print(help);
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (run !== undefined) return run(args);
  const problem =
    command === ''
      ? 'A command is missing.'
      : `There is no command ${JSON.stringify(command)}.${didYouMean(command, Object.keys(commands))}`;
  throw new CliError(`${problem} See: ${COMMAND} --help`, EXIT.usage);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function version(): string {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}

// The program that reads the output may exit first, as in `| head`. This program must still exit
// normally.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`kontiki-demo: ${describeFailure(error)}\n`);
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
}
// An open IPC channel to the demo would keep a node's process alive.
if (process.connected) process.disconnect();
