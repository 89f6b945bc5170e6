import { monitorEventLoopDelay } from 'node:perf_hooks';
import { bootstrap, isKontikiError, RaftNode, type StateMachine } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { countLog, countSyncs, countTransport, nothing, type Counted } from './counting.js';
import { load, type LoadResult } from './load.js';
import { adder, keeper } from './machine.js';

export type TransportName = 'ws' | 'http';

export interface Start {
  readonly kind: 'start';
  readonly id: string;
  readonly folder: string;
  readonly members: Record<string, string>;
  readonly transport: TransportName;
  /** Bytes of state, which snapshots are taken of when asked. 0: no snapshots. */
  readonly state: number;
}

/** What the bench asks of a replica, a process of its own. One that is stopped can be started again. */
export type Request =
  | Start
  | { readonly kind: 'load'; readonly proposers: number; readonly milliseconds: number }
  | { readonly kind: 'counts' }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'stop' };

export interface Taken {
  readonly seconds: number;
  readonly bytes: number;
  /** Milliseconds by which the event loop was late, beyond the timer's own millisecond. */
  readonly p99: number;
  readonly most: number;
  /** Bytes resident beside the state's own, at the most: before, and meanwhile. */
  readonly before: number;
  readonly meanwhile: number;
}

export interface CaughtUp {
  /** From the first bytes that are there to the end of the install, the state machine's part included. */
  readonly seconds: number;
  readonly bytes: number;
  /** Bytes resident beside the state's own, at the most. */
  readonly resident: number;
}

export type Reply =
  | { readonly kind: 'started' }
  | { readonly kind: 'leads' }
  | ({ readonly kind: 'caughtUp' } & CaughtUp)
  | ({ readonly kind: 'loaded' } & LoadResult)
  | ({ readonly kind: 'taken' } & Taken)
  | { readonly kind: 'counts'; readonly counted: Counted }
  | { readonly kind: 'stopped' };

const cluster = 'bench';
const counted = nothing();
let node: RaftNode<number> | undefined;
let machine: StateMachine<number> | undefined;
let stateBytes = 0;

function reply(message: Reply): void {
  process.send?.(message);
}

async function start({ id, folder, members, transport: name, state }: Start): Promise<void> {
  stateBytes = state;
  machine ??= state === 0 ? adder() : keeper(state);
  const log = new FileLog(countSyncs(await openFolder(folder), counted));
  await bootstrap(log, { cluster, server: id, members }).catch((error: unknown) => {
    if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
  });
  const port = Number(new URL(members[id] as string).port);
  const listen = { port };
  const transport = name === 'ws' ? new WebSocketTransport({ listen }) : new HttpTransport({ listen });
  node = await RaftNode.open({
    id,
    cluster,
    machine,
    log: countLog(log, counted),
    transport: countTransport(transport, counted),
    ...(state === 0 ? {} : { snapshots: new FileSnapshots(folder), snapshotPolicy: onDemand }),
    timings: { heartbeat: 50, election: 300 },
  });
  reply({ kind: 'started' });
  if (node.isLeader) reply({ kind: 'leads' });
  node.on('state', ({ role }) => role === 'leader' && reply({ kind: 'leads' }));
  watchInstall(node);
}

const onDemand = { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 0 };

/** Tells when a snapshot has been installed, and the state machine holds it. */
function watchInstall(of: RaftNode<number>): void {
  let begun: { readonly at: number; readonly resident: ReturnType<typeof residentWatch> } | undefined;
  let awaited = Infinity;
  let size = 0;
  of.on('snapshotReceiving', () => (begun ??= { at: performance.now(), resident: residentWatch() }));
  of.on('snapshotInstalled', ({ index, bytes }) => {
    awaited = index;
    size = bytes;
  });
  of.on('apply', ({ index }) => {
    if (index < awaited || begun === undefined) return;
    awaited = Infinity;
    const seconds = (performance.now() - begun.at) / 1_000;
    reply({ kind: 'caughtUp', seconds, bytes: size, resident: begun.resident.end() });
    begun = undefined;
  });
}

/** Bytes resident beside the state's own, at the most until `end`. */
function residentWatch(): { end(): number } {
  let most = 0;
  const look = (): void => void (most = Math.max(most, process.memoryUsage.rss() - stateBytes));
  const timer = setInterval(look, 100);
  return {
    end: () => {
      look();
      clearInterval(timer);
      return most;
    },
  };
}

async function take(of: RaftNode<number>): Promise<Taken> {
  const before = process.memoryUsage.rss() - stateBytes;
  const resident = residentWatch();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const begin = performance.now();
  const { bytes } = await of.snapshot();
  const seconds = (performance.now() - begin) / 1_000;
  delays.disable();
  const late = (nanoseconds: number): number => nanoseconds / 1e6 - 1;
  return {
    seconds,
    bytes,
    p99: late(delays.percentile(99)),
    most: late(delays.max),
    before,
    meanwhile: resident.end(),
  };
}

async function serve(request: Request): Promise<void> {
  if (request.kind === 'start') return start(request);
  if (request.kind === 'counts') return reply({ kind: 'counts', counted });
  if (node === undefined) throw new Error('This replica has not started.');
  if (request.kind === 'load')
    reply({ kind: 'loaded', ...(await load(node, request.proposers, request.milliseconds)) });
  if (request.kind === 'snapshot') reply({ kind: 'taken', ...(await take(node)) });
  if (request.kind === 'stop') {
    await node.close();
    reply({ kind: 'stopped' });
  }
}

process.on('message', (request: Request) => void serve(request));
process.on('disconnect', () => process.exit());
