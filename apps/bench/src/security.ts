import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { SecurityOptions } from '@kontiki/peers';
import { Authority } from 'kontiki-demo/cluster/authority.js';
import { Cluster, ids } from './cluster.js';
import { figure, show, showFigure, table } from './figures.js';
import type { LoadResult } from './load.js';
import { WRITERS, type Plan } from './plan.js';
import type { CatchUpResult } from './replica.js';
import { catchUp, takeTwoSnapshots } from './snapshots.js';

const NAMES = ['plain', 'TLS', 'secret'] as const;

/** Results of one round of measurements with one kind of authentication. */
interface Measured {
  /** Commit rates and latencies. The array has one result for each number of proposers. */
  readonly loads: readonly LoadResult[];
  readonly caughtUp: CatchUpResult;
}

type Round = Readonly<Record<(typeof NAMES)[number], Measured>>;

/**
 * Compares the cost of no TLS, of certificates, and of a shared secret. Measures durable commits
 * over WebSocket in three processes, and how fast a follower catches up from a snapshot.
 */
export async function security({ path, rounds, milliseconds, state, onProgress }: Plan): Promise<[string, unknown]> {
  const authority = await Authority.create('bench');
  const certificates = new Map(
    await Promise.all(ids.map(async (id) => [id, await authority.issue('bench', id)] as const)),
  );
  const secrets = [randomBytes(32).toString('base64')];
  const options: Readonly<Record<(typeof NAMES)[number], (id: string) => SecurityOptions>> = {
    plain: () => ({}),
    TLS: (id) => ({ tls: certificates.get(id) }),
    secret: () => ({ secrets }),
  };
  const all: Round[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const measured: Partial<Record<(typeof NAMES)[number], Measured>> = {};
    for (const name of NAMES) {
      onProgress(`round ${round} of ${rounds}: ${name}`);
      measured[name] = await measure(join(path, `${round}-${name}`), options[name], milliseconds, state);
    }
    all.push(measured as Round);
  }
  return [report(all, state), { rounds: all }];
}

async function measure(
  path: string,
  options: (id: string) => SecurityOptions,
  milliseconds: number,
  state: number,
): Promise<Measured> {
  const three = await Cluster.open(join(path, 'commits'), { security: options });
  const loads: LoadResult[] = [];
  try {
    await three.load(64, milliseconds);
    for (const proposers of WRITERS) loads.push(await three.load(proposers, milliseconds));
  } finally {
    three.close();
  }
  const two = await Cluster.open(join(path, 'snapshots'), { started: ids.slice(0, 2), state, security: options });
  const follower = ids[2] as string;
  try {
    // The first transfer only warms up both processes.
    await takeTwoSnapshots(two);
    await catchUp(two, follower);
    await two.stop(follower);
    await takeTwoSnapshots(two);
    return { loads, caughtUp: await catchUp(two, follower) };
  } finally {
    two.close();
  }
}

function report(rounds: readonly Round[], state: number): string {
  const column = (of: (round: Round) => number): string => showFigure(figure(rounds.map(of)));
  const rate = ({ commits, seconds }: LoadResult): number => commits / seconds;
  const speed = ({ bytes, seconds }: CatchUpResult): number => bytes / 1e6 / seconds;
  const row = (what: string, of: (measured: Measured) => number): string[] => [
    what,
    ...NAMES.map((name) => column((round) => of(round[name]))),
    ...NAMES.slice(1).map((name) => column((round) => of(round[name]) / of(round.plain))),
  ];
  return table([
    ['authentication', ...NAMES, ...NAMES.slice(1).map((name) => `${name} / plain`)],
    ...WRITERS.map((proposers, i) =>
      row(`commits per second, ${proposers} proposers`, ({ loads }) => rate(loads[i] as LoadResult)),
    ),
    row(`MB/s, a follower installs ${show(state / 1024 / 1024)} MiB`, ({ caughtUp }) => speed(caughtUp)),
  ]);
}
