import { CliError, EXIT } from './cli.js';
import { clientCommand, isClientCommand } from './commands/client.js';
import { demoCommand } from './commands/demo.js';
import { loadCommand } from './commands/load.js';
import { migrateCommand } from './commands/migrate.js';
import { describeFailure, nodeCommand } from './commands/node.js';
import { snapshotCommand } from './commands/snapshot.js';

const help = `kontiki-demo: a replicated key/value store on Kontiki.

  kontiki-demo demo                start a cluster on this machine
  kontiki-demo node --id n1        run one node of it
  kontiki-demo put KEY VALUE       set a key
  kontiki-demo get KEY             print its value
  kontiki-demo delete KEY          delete it
  kontiki-demo status              what each node says of itself
  kontiki-demo load                set keys as fast as the cluster takes them
  kontiki-demo snapshot            take snapshots, copy them out, look into them
  kontiki-demo migrate             move a stopped node's data to another store

  kontiki-demo COMMAND --help      more of each
`;

async function main([command = '', ...args]: string[]): Promise<number> {
  if (command === 'demo') return demoCommand(args);
  if (command === 'node') return nodeCommand(args);
  if (command === 'migrate') return migrateCommand(args);
  if (command === 'load') return loadCommand(args);
  if (command === 'snapshot') return snapshotCommand(args);
  if (isClientCommand(command)) return clientCommand(command, args);
  if (command === '--help' || command === 'help') {
    process.stdout.write(help);
    return 0;
  }
  const what = command === '' ? 'A command is missing.' : `There is no command ${JSON.stringify(command)}.`;
  throw new CliError(`${what} See: kontiki-demo --help`, EXIT.usage);
}

// Whoever reads may have died (`| head`); that must not keep anything from coming to its end in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`kontiki-demo: ${describeFailure(error)}\n`);
  process.exitCode = error instanceof CliError ? error.exitCode : EXIT.failed;
}
// A node whose demo has died must not be held by the channel to it.
if (process.connected) process.disconnect();
