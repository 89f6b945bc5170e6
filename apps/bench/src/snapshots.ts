import { Cluster, ids } from './cluster.js';
import { figure, show, showFigure, table } from './figures.js';
import type { Plan } from './plan.js';
import { rawWriting } from './raw-disk.js';
import { rawWebSocket } from './raw-websocket.js';
import type { CaughtUp, Taken } from './replica.js';

const PROPOSERS = 16;
const MiB = 1024 * 1024;

interface Round {
  /** Bytes a second. */
  readonly disk: number;
  readonly socket: number;
  readonly taken: Taken;
  readonly idle: CaughtUp;
  readonly busy: CaughtUp;
  /** Commits a second, without the transfer and meanwhile. */
  readonly without: number;
  readonly meanwhile: number;
}

/** Taking a snapshot, and catching a follower up by it, alone and under load, beside raw WebSocket and raw files. */
export async function snapshots({ path, rounds, milliseconds, state, tell }: Plan): Promise<[string, unknown]> {
  const cluster = await Cluster.open(path, { started: ids.slice(0, 2), state });
  const late = ids[2] as string;
  try {
    tell('warming up');
    await cluster.load(PROPOSERS, milliseconds);
    await compacted(cluster);
    await catchUp(cluster, late);
    await cluster.stop(late);
    const all: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      tell(`round ${round} of ${rounds}: taking a snapshot of ${show(state / MiB)} MiB`);
      const taken = await compacted(cluster);
      tell(`round ${round} of ${rounds}: catching up, alone`);
      const idle = await catchUp(cluster, late);
      await cluster.stop(late);
      const disk = await rawWriting(path, state);
      const socket = await rawWebSocket(state);
      tell(`round ${round} of ${rounds}: catching up, under load`);
      await compacted(cluster);
      const before = await rate(cluster, milliseconds);
      const caught = catchUp(cluster, late);
      const meanwhile = await rate(cluster, milliseconds, caught);
      const busy = await caught;
      await cluster.stop(late);
      const after = await rate(cluster, milliseconds);
      all.push({ disk, socket, taken, idle, busy, without: (before + after) / 2, meanwhile });
    }
    return [report(all, state), { rounds: all }];
  } finally {
    cluster.close();
  }
}

/** Takes two snapshots, so that the log goes back no further than to the first: the latest one. */
async function compacted(cluster: Cluster): Promise<Taken> {
  await cluster.load(PROPOSERS, 50);
  await cluster.snapshot();
  await cluster.load(PROPOSERS, 50);
  return cluster.snapshot();
}

async function catchUp(cluster: Cluster, id: string): Promise<CaughtUp> {
  const started = cluster.start(id);
  const caught = cluster.caughtUp(id);
  await started;
  return caught;
}

/** Commits a second, for so long or until something else has ended. */
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
  const slower = ({ disk, socket }: Round): number => Math.min(disk, socket) / 1e6;
  const catching = table([
    [`a follower catches up by ${show(state / MiB)} MiB`, 'MB/s', 'of the slower raw one', 'MiB beside its state'],
    ['raw: WebSocket', column(({ socket }) => socket / 1e6), '', ''],
    ['raw: file', column(({ disk }) => disk / 1e6), '', ''],
    ...(['idle', 'busy'] as const).map((which) => [
      which === 'idle' ? 'alone' : `with ${PROPOSERS} proposers`,
      column((round) => megabytes(round[which])),
      column((round) => megabytes(round[which]) / slower(round)),
      column((round) => round[which].resident / MiB),
    ]),
  ]);
  const load = table([
    [`commits of 256 B, ${PROPOSERS} proposers`, 'per second', 'of without'],
    ['without a transfer', column(({ without }) => without), '1'],
    ['meanwhile', column(({ meanwhile }) => meanwhile), column(({ meanwhile, without }) => meanwhile / without)],
  ]);
  const taking = table([
    ['the leader takes a snapshot', ''],
    ['MB/s', column(({ taken }) => megabytes(taken))],
    ['event loop late, p99 ms', column(({ taken }) => taken.p99)],
    ['event loop late, most ms', column(({ taken }) => taken.most)],
    ['MiB beside its state before', column(({ taken }) => taken.before / MiB)],
    ['MiB beside its state meanwhile', column(({ taken }) => taken.meanwhile / MiB)],
  ]);
  return `${catching}\n\n${load}\n\n${taking}`;
}
