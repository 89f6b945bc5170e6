import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { commits } from './commits.js';
import type { Plan } from './plan.js';
import { snapshots } from './snapshots.js';
import { stores } from './stores.js';
import { transports } from './transports.js';

const help = `Measures Kontiki beside the disk and the network that it runs on, in rounds that take turns.

  pnpm bench                   everything, in a few minutes
  pnpm bench commits           commits of 256 B, and what one costs
  pnpm bench snapshots         taking a snapshot, and catching a follower up by it
  pnpm bench stores            both logs, and LevelDB alone
  pnpm bench transports        WebSocket and HTTP

  --rounds 3       the spread is that of the rounds
  --seconds 1      of one measurement
  --state 256      MiB of the state that snapshots are taken of
  --data DIR       where the data is; the disk of the present folder by default
  --json FILE      the figures for programs, too
`;

const parts: Readonly<Record<string, (plan: Plan) => Promise<[text: string, figures: unknown]>>> = {
  commits,
  snapshots,
  stores,
  transports,
};

/** A sentence for whoever called. */
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

/** A folder of this run's own, that goes with it: when it is interrupted, too. */
function folderIn(data: string): string {
  let path: string;
  try {
    path = mkdtempSync(join(resolve(data), 'kontiki-bench-'));
  } catch (error) {
    throw new UsageError(`--data ${data} cannot be used: ${(error as Error).message}.`);
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
    throw new UsageError('--rounds takes a whole number above 0, --seconds a number above 0 and below 3600.');
  if (!(state > 0 && state <= 1_024)) throw new UsageError('--state takes a number above 0, and 1024 at most.');
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) throw new UsageError(`There is no part ${unknown}: ${Object.keys(parts).join(', ')}.`);
  const path = folderIn(values.data);
  const figures: Record<string, unknown> = {};
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, Node.js ${process.version}, ${rounds} rounds of ${seconds} s: median (least-most)`,
  );
  for (const [name, part] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const tell = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
    const plan = { path: join(path, name), rounds, milliseconds: seconds * 1_000, state: state * 1024 * 1024, tell };
    const [text, found] = await part(plan);
    console.log(`\n${text}`);
    figures[name] = found;
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See: pnpm bench --help\n`);
  process.exitCode = 2;
}
