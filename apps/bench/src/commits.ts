import { Cluster } from './cluster.js';
import type { Counted } from './counting.js';
import { figure, show, showFigure, table, type Figure } from './figures.js';
import { InMemory } from './in-memory.js';
import type { LoadResult } from './load.js';
import { rawSyncs } from './raw-disk.js';
import { WRITERS, type Plan } from './plan.js';

interface Round {
  readonly raw: number;
  readonly memory: LoadResult[];
  readonly durable: LoadResult[];
}

/** Commits of 256 B: durable and in memory, beside what the disk alone does; and what a commit costs. */
export async function commits({ path, rounds, milliseconds, tell }: Plan): Promise<[text: string, figures: unknown]> {
  const durable = await Cluster.open(path);
  const all: Round[] = [];
  try {
    await inMemory((memory) => memory.load(64, milliseconds));
    await durable.load(64, milliseconds);
    for (let round = 1; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}`);
      const before = await rawSyncs(path, milliseconds / 2);
      const results: Pick<Round, 'memory' | 'durable'> = { memory: [], durable: [] };
      for (const proposers of WRITERS) {
        results.memory.push(await inMemory((memory) => memory.load(proposers, milliseconds)));
        results.durable.push(await durable.load(proposers, milliseconds));
      }
      const after = await rawSyncs(path, milliseconds / 2);
      all.push({ raw: (before + after) / 2, ...results });
    }
    tell('counting');
    const counts = await count(durable, milliseconds);
    return [report(all, counts), { rounds: all, counts }];
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

async function count(durable: Cluster, milliseconds: number): Promise<Counts> {
  const costs: Cost[] = [];
  for (const proposers of WRITERS) {
    const before = await durable.counts();
    const { commits: committed } = await durable.load(proposers, milliseconds);
    const after = await durable.counts();
    const perCommit = (id: string): Counted => {
      const [now, then] = [after.get(id) as Counted, before.get(id) as Counted];
      const each = (name: keyof Counted): number => (now[name] - then[name]) / committed;
      return {
        messages: each('messages'),
        bytes: each('bytes'),
        entriesSent: each('entriesSent'),
        writes: each('writes'),
        entriesWritten: each('entriesWritten'),
        syncs: each('syncs'),
      };
    };
    costs.push({ proposers, leader: perCommit(durable.leader), follower: perCommit(durable.followers[0] as string) });
  }
  return { costs, idleWakeUps: await inMemory((memory) => memory.idleWakeUps(milliseconds)) };
}

function report(rounds: readonly Round[], counts: Counts): string {
  const raw = figure(rounds.map((round) => round.raw));
  const rates = table([
    ['commits of 256 B', 'per second', 'of raw', 'p50 ms', 'p99 ms'],
    ['raw: append and fdatasync', showFigure(raw), '1', showFigure(figure(rounds.map((r) => 1_000 / r.raw))), ''],
    ...rateRows('durable, three processes', rounds, (round) => round.durable),
    ...rateRows('in memory, one process', rounds, (round) => round.memory),
  ]);
  const costs = table([
    ['a durable commit costs', 'messages sent', 'bytes sent', 'times encoded', 'entries a sync'],
    ...costRows(counts),
  ]);
  const idle = `an idle node wakes up ${show(counts.idleWakeUps)} times a second, at 20 heartbeats a second`;
  return `${rates}\n\n${costs}\n\n${idle}`;
}

function rateRows(name: string, rounds: readonly Round[], of: (round: Round) => readonly LoadResult[]): string[][] {
  return WRITERS.map((proposers, i) => {
    const results = rounds.map((round) => of(round)[i] as LoadResult);
    const rates = results.map(({ commits: committed, seconds }) => committed / seconds);
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
