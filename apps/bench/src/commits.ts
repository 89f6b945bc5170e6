import { Cluster } from './cluster.js';
import type { Counters } from './counters.js';
import { figure, show, showFigure, table, type Figure } from './figures.js';
import { InMemoryCluster } from './in-memory-cluster.js';
import type { LoadResult } from './load.js';
import { rawSyncs } from './raw-disk.js';
import { WRITERS, type Plan } from './plan.js';

interface Round {
  readonly raw: number;
  readonly memory: LoadResult[];
  readonly durable: LoadResult[];
}

/**
 * Measures durable and in-memory commits of 256 B, and compares them with appends to the raw disk.
 * Also counts the operations that each commit needs.
 */
export async function commits({
  path,
  rounds,
  milliseconds,
  onProgress,
}: Plan): Promise<[text: string, figures: unknown]> {
  const durable = await Cluster.open(path);
  const all: Round[] = [];
  try {
    await withInMemoryCluster((memory) => memory.load(64, milliseconds));
    await durable.load(64, milliseconds);
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}`);
      const before = await rawSyncs(path, milliseconds / 2);
      const results: Pick<Round, 'memory' | 'durable'> = { memory: [], durable: [] };
      for (const proposers of WRITERS) {
        results.memory.push(await withInMemoryCluster((memory) => memory.load(proposers, milliseconds)));
        results.durable.push(await durable.load(proposers, milliseconds));
      }
      const after = await rawSyncs(path, milliseconds / 2);
      all.push({ raw: (before + after) / 2, ...results });
    }
    onProgress('counting');
    const counts = await count(durable, milliseconds);
    return [report(all, counts), { rounds: all, counts }];
  } finally {
    durable.close();
  }
}

/**
 * Calls `use` with a new in-memory cluster. Each measurement uses its own cluster, because an
 * in-memory log keeps growing and slows down garbage collection.
 */
async function withInMemoryCluster<T>(use: (cluster: InMemoryCluster) => Promise<T>): Promise<T> {
  const cluster = await InMemoryCluster.open();
  try {
    return await use(cluster);
  } finally {
    await cluster.close();
  }
}

/** Operations per commit on the leader and on one follower, for a given number of proposers. */
interface Cost {
  readonly proposers: number;
  readonly leader: Counters;
  readonly follower: Counters;
}

interface Counts {
  readonly costs: readonly Cost[];
  readonly idleWakeUps: number;
}

async function count(durable: Cluster, milliseconds: number): Promise<Counts> {
  const costs: Cost[] = [];
  for (const proposers of WRITERS) {
    const before = await durable.counters();
    const { commits: committed } = await durable.load(proposers, milliseconds);
    const after = await durable.counters();
    const perCommit = (id: string): Counters => {
      const [now, then] = [after.get(id) as Counters, before.get(id) as Counters];
      const each = (name: keyof Counters): number => (now[name] - then[name]) / committed;
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
  return { costs, idleWakeUps: await withInMemoryCluster((memory) => memory.idleWakeUps(milliseconds)) };
}

function report(rounds: readonly Round[], counts: Counts): string {
  const raw = figure(rounds.map((round) => round.raw));
  const rates = table([
    ['commits of 256 B', 'per second', 'ratio to raw disk', 'p50 ms', 'p99 ms'],
    ['raw disk: append and fdatasync', showFigure(raw), '1', showFigure(figure(rounds.map((r) => 1_000 / r.raw))), ''],
    ...rateRows('durable, three processes', rounds, (round) => round.durable),
    ...rateRows('in memory, one process', rounds, (round) => round.memory),
  ]);
  const costs = table([
    ['cost of a durable commit', 'messages sent', 'bytes sent', 'times encoded', 'entries per sync'],
    ...costRows(counts),
  ]);
  const idle = `an idle node wakes up ${show(counts.idleWakeUps)} times per second, with 20 heartbeats per second`;
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
    [['leader', leader] as const, ['follower', follower] as const].map(([name, counters]) => [
      `${name}, ${proposers} proposers`,
      show(counters.messages),
      show(counters.bytes),
      show(counters.entriesSent + counters.entriesWritten),
      show(counters.entriesWritten / counters.syncs),
    ]),
  );
}
