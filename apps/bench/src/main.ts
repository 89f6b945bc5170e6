import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Counted } from './counting.js';
import { Durable } from './durable.js';
import { figure, show, showFigure, table, type Figure } from './figures.js';
import { InMemory } from './in-memory.js';
import type { LoadResult } from './load.js';
import { rawSyncs } from './raw-disk.js';

const help = `Measures Kontiki beside the disk that it runs on, in rounds that take turns.

  pnpm bench                   a table, in about a minute
  pnpm bench --rounds 5        more rounds; the spread is that of the rounds
  pnpm bench --seconds 2       longer ones
  pnpm bench --data DIR        where the logs are; the disk of the present folder by default
  pnpm bench --json FILE       the figures for programs, too
`;

const PROPOSERS = [1, 64, 256] as const;

interface Round {
  readonly raw: number;
  readonly memory: LoadResult[];
  readonly durable: LoadResult[];
}

async function measure(path: string, rounds: number, milliseconds: number): Promise<[Round[], Counts]> {
  const durable = await Durable.open(path);
  const all: Round[] = [];
  try {
    await inMemory((memory) => memory.load(64, milliseconds));
    await durable.load(64, milliseconds);
    for (let round = 1; round <= rounds; round += 1) {
      process.stderr.write(`round ${round} of ${rounds}\n`);
      const before = await rawSyncs(path, milliseconds / 2);
      const results: Pick<Round, 'memory' | 'durable'> = { memory: [], durable: [] };
      for (const proposers of PROPOSERS) {
        results.memory.push(await inMemory((memory) => memory.load(proposers, milliseconds)));
        results.durable.push(await durable.load(proposers, milliseconds));
      }
      const after = await rawSyncs(path, milliseconds / 2);
      all.push({ raw: (before + after) / 2, ...results });
    }
    process.stderr.write('counting\n');
    return [all, await count(durable, milliseconds)];
  } finally {
    durable.close();
  }
}

/** Nodes of their own for each load: a log in memory only grows, and so does what the garbage collector has to walk. */
async function inMemory<T>(use: (nodes: InMemory) => Promise<T>): Promise<T> {
  const nodes = await InMemory.open();
  try {
    return await use(nodes);
  } finally {
    await nodes.close();
  }
}

/** What a commit costs, for each number of proposers, at the leader and at one follower. */
interface Cost {
  readonly proposers: number;
  readonly leader: Counted;
  readonly follower: Counted;
}

interface Counts {
  readonly costs: readonly Cost[];
  readonly idleWakeUps: number;
}

async function count(durable: Durable, milliseconds: number): Promise<Counts> {
  const costs: Cost[] = [];
  for (const proposers of PROPOSERS) {
    const before = await durable.counts();
    const { commits } = await durable.load(proposers, milliseconds);
    const after = await durable.counts();
    const perCommit = (id: string): Counted => {
      const [now, then] = [after.get(id) as Counted, before.get(id) as Counted];
      const each = (name: keyof Counted): number => (now[name] - then[name]) / commits;
      return {
        messages: each('messages'),
        bytes: each('bytes'),
        entriesSent: each('entriesSent'),
        writes: each('writes'),
        entriesWritten: each('entriesWritten'),
        syncs: each('syncs'),
      };
    };
    const follower = [...after.keys()].find((id) => id !== durable.leader) as string;
    costs.push({ proposers, leader: perCommit(durable.leader), follower: perCommit(follower) });
  }
  return { costs, idleWakeUps: await inMemory((memory) => memory.idleWakeUps(milliseconds)) };
}

function rateRows(name: string, rounds: readonly Round[], of: (round: Round) => readonly LoadResult[]): string[][] {
  return PROPOSERS.map((proposers, i) => {
    const results = rounds.map((round) => of(round)[i] as LoadResult);
    const rates = results.map(({ commits, seconds }) => commits / seconds);
    const ratios: Figure = figure(rates.map((rate, round) => rate / (rounds[round] as Round).raw));
    return [
      `${name}, ${proposers} proposers`,
      showFigure(figure(rates)),
      showFigure(ratios),
      showFigure(figure(results.map(({ p50 }) => p50))),
      showFigure(figure(results.map(({ p99 }) => p99))),
    ];
  });
}

function costRows({ costs }: Counts): string[][] {
  return costs.flatMap(({ proposers, leader, follower }) =>
    [['leader', leader] as const, ['follower', follower] as const].map(([name, counted]) => [
      `${name}, ${proposers} proposers`,
      show(counted.messages),
      show(counted.bytes),
      show(counted.entriesSent + counted.entriesWritten),
      show(counted.entriesWritten / counted.syncs),
    ]),
  );
}

/** A sentence for whoever called. */
class UsageError extends Error {}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '1' },
        data: { type: 'string', default: '.' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`);
  }
}

/** A folder of this run's own. */
function folderIn(data: string): string {
  try {
    return mkdtempSync(join(resolve(data), 'kontiki-bench-'));
  } catch (error) {
    throw new UsageError(`--data ${data} cannot be used: ${(error as Error).message}.`);
  }
}

async function main(): Promise<void> {
  const values = parse();
  if (values.help === true) return void process.stdout.write(help);
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  if (!(Number.isInteger(rounds) && rounds > 0 && seconds > 0 && seconds < 3_600))
    throw new UsageError('--rounds takes a whole number above 0, --seconds a number above 0 and below 3600.');
  const path = folderIn(values.data);
  try {
    const [all, counts] = await measure(path, rounds, seconds * 1_000);
    const raw = figure(all.map((round) => round.raw));
    console.log(
      `${cpus().length} x ${cpus()[0]?.model}, Node.js ${process.version}, ${rounds} rounds of ${seconds} s: median (least-most)\n`,
    );
    console.log(
      table([
        ['commits of 256 B', 'per second', 'of raw', 'p50 ms', 'p99 ms'],
        ['raw: append and fdatasync', showFigure(raw), '1', showFigure(figure(all.map((r) => 1_000 / r.raw))), ''],
        ...rateRows('durable, three processes', all, (round) => round.durable),
        ...rateRows('in memory, one process', all, (round) => round.memory),
      ]),
    );
    console.log(
      `\n${table([['a durable commit costs', 'messages sent', 'bytes sent', 'times encoded', 'entries a sync'], ...costRows(counts)])}`,
    );
    console.log(`\nan idle node wakes up ${show(counts.idleWakeUps)} times a second, at 20 heartbeats a second`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rounds: all, counts }, null, 2)}\n`);
  } finally {
    rmSync(path, { recursive: true });
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message} See: pnpm bench --help\n`);
  process.exitCode = 2;
}
