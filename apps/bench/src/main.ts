import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { commits } from './commits.js';
import type { Plan } from './plan.js';
import { security } from './security.js';
import { sessions } from './sessions.js';
import { snapshots } from './snapshots.js';
import { stores } from './stores.js';
import { transports } from './transports.js';

const help = `Measures Kontiki and compares it with the raw disk and network.

  npx -y pnpm@10.34.9 bench [PART ...] [flags]

Parts (default: all of them, in a few minutes):

  commits          durable and in-memory commits of 256 B, and the operations per commit
  sessions         durable commits as bytes, and as commands that run exactly once in sessions
  snapshots        taking a snapshot, and bringing a follower up to date with it
  stores           synced appends to a file log, a log in LevelDB, and LevelDB alone
  transports       durable commits over WebSocket and over HTTP
  security         durable commits and catching up without TLS, with TLS, and with a shared secret

Flags:

  --rounds N       number of rounds; results show their median and range (default 3)
  --seconds N      duration of one measurement (default 1)
  --state MIB      size of the state machine's state, at most 1024 (default 256)
  --data DIR       folder on the disk to measure; temporary data goes there (default .)
  --json FILE      also write the results to FILE as JSON
  --help           print this text
`;

const parts: Readonly<Record<string, (plan: Plan) => Promise<[text: string, figures: unknown]>>> = {
  commits,
  sessions,
  snapshots,
  stores,
  transports,
  security,
};

/** An error in the command line. Its message is printed without a stack trace. */
class UsageError extends Error {}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '1' },
        state: { type: 'string', default: '256' },
        data: { type: 'string', default: '.' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`);
  }
}

/**
 * Creates a temporary folder in `data`. It is removed when the process exits, even on Ctrl-C or
 * SIGTERM.
 */
function createFolder(data: string): string {
  let path: string;
  try {
    path = mkdtempSync(join(resolve(data), 'kontiki-bench-'));
  } catch (error) {
    throw new UsageError(
      `--data ${data}: cannot create a folder there (${(error as Error).message}). Choose another folder.`,
    );
  }
  process.on('exit', () => rmSync(path, { recursive: true, force: true, maxRetries: 10 }));
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  return path;
}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  if (values.help === true) return void process.stdout.write(help);
  const [rounds, seconds, state] = [Number(values.rounds), Number(values.seconds), Number(values.state)];
  if (!(Number.isInteger(rounds) && rounds > 0 && seconds > 0 && seconds < 3_600))
    throw new UsageError(
      '--rounds must be a whole number of at least 1, and --seconds a number above 0 and below 3600.',
    );
  if (!(state > 0 && state <= 1_024)) throw new UsageError('--state must be a number above 0 and at most 1024.');
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined)
    throw new UsageError(`There is no part ${JSON.stringify(unknown)}. Parts: ${Object.keys(parts).join(', ')}.`);
  const path = createFolder(values.data);
  const figures: Record<string, unknown> = {};
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, Node.js ${process.version}, ${rounds} rounds, ${seconds} s per measurement: median (min-max)`,
  );
  for (const [name, part] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const onProgress = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
    const plan = {
      path: join(path, name),
      rounds,
      milliseconds: seconds * 1_000,
      state: state * 1024 * 1024,
      onProgress,
    };
    const [text, results] = await part(plan);
    console.log(`\n${text}`);
    figures[name] = results;
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See: npx -y pnpm@10.34.9 bench --help\n`);
  process.exitCode = 2;
}
