import { join } from 'node:path';
import { Cluster } from './cluster.js';
import { figure, showFigure, table } from './figures.js';
import type { LoadResult } from './load.js';
import { WRITERS, type Plan } from './plan.js';

interface Round {
  readonly ws: LoadResult[];
  readonly http: LoadResult[];
}

/** Measures durable commits of 256 B in three processes, over WebSocket and over HTTP. */
export async function transports({ path, rounds, milliseconds, onProgress }: Plan): Promise<[string, unknown]> {
  const ws = await Cluster.open(join(path, 'ws'));
  const http = await Cluster.open(join(path, 'http'), { transport: 'http' });
  try {
    for (const cluster of [ws, http]) await cluster.load(64, milliseconds);
    const all: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}`);
      const results: Round = { ws: [], http: [] };
      for (const proposers of WRITERS) {
        results.ws.push(await ws.load(proposers, milliseconds));
        results.http.push(await http.load(proposers, milliseconds));
      }
      all.push(results);
    }
    return [report(all), { rounds: all }];
  } finally {
    ws.close();
    http.close();
  }
}

function report(rounds: readonly Round[]): string {
  const column = (of: (round: Round) => number): string => showFigure(figure(rounds.map(of)));
  return table([
    ['commits of 256 B', 'WebSocket per second', 'p50 ms', 'HTTP per second', 'p50 ms', 'HTTP / WebSocket'],
    ...WRITERS.map((proposers, i) => {
      const rate = ({ commits, seconds }: LoadResult): number => commits / seconds;
      const [ws, http] = (['ws', 'http'] as const).map((name) => (round: Round) => round[name][i] as LoadResult) as [
        (round: Round) => LoadResult,
        (round: Round) => LoadResult,
      ];
      return [
        `${proposers} proposers`,
        column((round) => rate(ws(round))),
        column((round) => ws(round).p50),
        column((round) => rate(http(round))),
        column((round) => http(round).p50),
        column((round) => rate(http(round)) / rate(ws(round))),
      ];
    }),
  ]);
}
