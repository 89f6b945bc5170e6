import { Cluster, ids } from './cluster.js';
import { figure, show, showFigure, table } from './figures.js';
import type { Plan } from './plan.js';
import { rawWriting } from './raw-disk.js';
import { rawWebSocket } from './raw-websocket.js';
import type { CatchUpResult, SnapshotResult } from './replica.js';

const PROPOSERS = 16;
const MiB = 1024 * 1024;

interface Round {
  /** Throughput of writing one file, in bytes per second. */
  readonly rawFile: number;
  /** Throughput of one WebSocket, in bytes per second. */
  readonly rawWebSocket: number;
  readonly taken: SnapshotResult;
  readonly idle: CatchUpResult;
  readonly busy: CatchUpResult;
  /** Commits per second without a snapshot transfer. */
  readonly without: number;
  /** Commits per second during a snapshot transfer. */
  readonly during: number;
}

/**
 * Measures how fast the leader takes a snapshot and a follower receives and installs it, with and
 * without load. Compares the transfer with a raw WebSocket and a raw file.
 */
export async function snapshots({ path, rounds, milliseconds, state, onProgress }: Plan): Promise<[string, unknown]> {
  const cluster = await Cluster.open(path, { started: ids.slice(0, 2), state });
  const follower = ids[2] as string;
  try {
    onProgress('warming up');
    await cluster.load(PROPOSERS, milliseconds);
    await takeTwoSnapshots(cluster);
    await catchUp(cluster, follower);
    await cluster.stop(follower);
    const all: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      onProgress(`round ${round} of ${rounds}: taking a snapshot of ${show(state / MiB)} MiB`);
      const taken = await takeTwoSnapshots(cluster);
      onProgress(`round ${round} of ${rounds}: catching up without load`);
      const idle = await catchUp(cluster, follower);
      await cluster.stop(follower);
      const file = await rawWriting(path, state);
      const webSocket = await rawWebSocket(state);
      onProgress(`round ${round} of ${rounds}: catching up under load`);
      await takeTwoSnapshots(cluster);
      const before = await rate(cluster, milliseconds);
      const caught = catchUp(cluster, follower);
      const during = await rate(cluster, milliseconds, caught);
      const busy = await caught;
      await cluster.stop(follower);
      const after = await rate(cluster, milliseconds);
      all.push({
        rawFile: file,
        rawWebSocket: webSocket,
        taken,
        idle,
        busy,
        without: (before + after) / 2,
        during,
      });
    }
    return [report(all, state), { rounds: all }];
  } finally {
    cluster.close();
  }
}

/**
 * Takes two snapshots, some commits apart, and returns the measurements of the second one. A leader
 * keeps the entries that a peer still needs, but only back to the previous snapshot. Afterwards,
 * the log begins at the first of the two snapshots. A server that has been down for longer
 * therefore needs a snapshot.
 */
export async function takeTwoSnapshots(cluster: Cluster): Promise<SnapshotResult> {
  await cluster.load(PROPOSERS, 50);
  await cluster.snapshot();
  await cluster.load(PROPOSERS, 50);
  return cluster.snapshot();
}

export async function catchUp(cluster: Cluster, id: string): Promise<CatchUpResult> {
  const started = cluster.start(id);
  const caught = cluster.caughtUp(id);
  await started;
  return caught;
}

/**
 * Returns the number of commits per second, measured until `until` settles. Without `until`,
 * measures for `milliseconds`.
 */
async function rate(cluster: Cluster, milliseconds: number, until?: Promise<unknown>): Promise<number> {
  let over = false;
  void until?.finally(() => (over = true)).catch(() => {});
  let [commits, seconds] = [0, 0];
  while (until === undefined ? seconds * 1_000 < milliseconds : !over) {
    const result = await cluster.load(PROPOSERS, 100);
    commits += result.commits;
    seconds += result.seconds;
  }
  return commits / seconds;
}

function report(rounds: readonly Round[], state: number): string {
  const column = (of: (round: Round) => number): string => showFigure(figure(rounds.map(of)));
  const megabytes = ({ bytes, seconds }: { readonly bytes: number; readonly seconds: number }): number =>
    bytes / 1e6 / seconds;
  const slower = (round: Round): number => Math.min(round.rawFile, round.rawWebSocket) / 1e6;
  const catching = table([
    [`a follower installs ${show(state / MiB)} MiB`, 'MB/s', 'ratio to slower raw', 'memory without state, MiB'],
    ['raw WebSocket', column((round) => round.rawWebSocket / 1e6), '', ''],
    ['raw file', column((round) => round.rawFile / 1e6), '', ''],
    ...(['idle', 'busy'] as const).map((which) => [
      which === 'idle' ? 'without load' : `with ${PROPOSERS} proposers`,
      column((round) => megabytes(round[which])),
      column((round) => megabytes(round[which]) / slower(round)),
      column((round) => round[which].maxResident / MiB),
    ]),
  ]);
  const load = table([
    [`commits of 256 B, ${PROPOSERS} proposers`, 'per second', 'ratio to no transfer'],
    ['no transfer', column(({ without }) => without), '1'],
    ['during the transfer', column(({ during }) => during), column(({ during, without }) => during / without)],
  ]);
  const taking = table([
    ['the leader takes a snapshot', ''],
    ['MB/s', column(({ taken }) => megabytes(taken))],
    ['event loop delay, p99 ms', column(({ taken }) => taken.p99DelayMs)],
    ['event loop delay, max ms', column(({ taken }) => taken.maxDelayMs)],
    ['memory without state before, MiB', column(({ taken }) => taken.residentBefore / MiB)],
    ['memory without state during, MiB', column(({ taken }) => taken.maxResident / MiB)],
  ]);
  return `${catching}\n\n${load}\n\n${taking}`;
}
