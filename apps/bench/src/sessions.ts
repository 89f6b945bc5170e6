import { join } from 'node:path';
import { Cluster } from './cluster.js';
import { figure, showFigure, table } from './figures.js';
import type { LoadResult } from './load.js';
import { WRITERS, type Plan } from './plan.js';

/** One measurement of each kind, with the same number of proposers. */
interface Round {
  readonly propose: LoadResult;
  readonly execute: LoadResult;
  readonly forwarded: LoadResult;
}

const names: Readonly<Record<keyof Round, string>> = {
  propose: 'propose, on the leader',
  execute: 'execute, on the leader',
  forwarded: 'execute, on a follower',
};

/**
 * Measures durable commits of 256 B: proposed as bytes, and as commands of a defined state machine
 * that run exactly once in a session, on the leader and on a follower.
 */
export async function sessions({ path, rounds, milliseconds, onProgress }: Plan): Promise<[string, unknown]> {
  const bytes = await Cluster.open(join(path, 'bytes'));
  const typed = await Cluster.open(join(path, 'typed'), { typed: true });
  const all = new Map<number, Round[]>(WRITERS.map((proposers) => [proposers, []]));
  try {
    for (const cluster of [bytes, typed]) await cluster.load(64, milliseconds);
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}`);
      for (const [proposers, results] of all) {
        const propose = await bytes.load(proposers, milliseconds);
        const execute = await typed.load(proposers, milliseconds);
        const forwarded = await typed.load(proposers, milliseconds, typed.followers[0]);
        results.push({ propose, execute, forwarded });
      }
    }
    return [report(all), Object.fromEntries(all)];
  } finally {
    bytes.close();
    typed.close();
  }
}

function report(all: ReadonlyMap<number, readonly Round[]>): string {
  const rate = ({ commits, seconds }: LoadResult): number => commits / seconds;
  const rows = [...all].flatMap(([proposers, rounds]) =>
    (['propose', 'execute', 'forwarded'] as const).map((kind) => [
      `${names[kind]}, ${proposers} proposers`,
      showFigure(figure(rounds.map((round) => rate(round[kind])))),
      showFigure(figure(rounds.map((round) => rate(round[kind]) / rate(round.propose)))),
      showFigure(figure(rounds.map((round) => round[kind].p50))),
      showFigure(figure(rounds.map((round) => round[kind].p99))),
    ]),
  );
  return table([['durable commits of 256 B', 'per second', 'ratio to propose', 'p50 ms', 'p99 ms'], ...rows]);
}
