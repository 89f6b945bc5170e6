import { monitorEventLoopDelay } from 'node:perf_hooks';
import { bootstrap, isKontikiError, RaftNode, TypedNode, type StateMachine } from '@kontiki/core';
import { openFolder } from '@kontiki/files/node';
import type { SecurityOptions } from '@kontiki/peers';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { countLog, countSyncs, countTransport, newCounters, type Counters } from './counters.js';
import { command, load, type LoadResult } from './load.js';
import { adder, adderWithState, typedAdder } from './machines.js';

export type TransportName = 'ws' | 'http';

export interface Start {
  readonly kind: 'start';
  readonly id: string;
  readonly folder: string;
  readonly members: Record<string, string>;
  readonly transport: TransportName;
  /** Options that the replicas use to authenticate each other. Default: no authentication. */
  readonly security: SecurityOptions;
  /** Size of the state machine's state in bytes. With 0, the replica takes no snapshots. */
  readonly state: number;
  /** Whether commands are those of a defined state machine, which run exactly once in sessions. */
  readonly typed: boolean;
}

/**
 * A request to a replica process. The process stays alive when its replica stops, and can start the
 * replica again.
 */
export type Request =
  | Start
  | { readonly kind: 'load'; readonly proposers: number; readonly milliseconds: number }
  | { readonly kind: 'counters' }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'stop' };

/** Measurements of a snapshot taken by the leader. */
export interface SnapshotResult {
  readonly seconds: number;
  readonly bytes: number;
  /** 99th percentile of the event loop delay, minus the timer's resolution of one millisecond. */
  readonly p99DelayMs: number;
  readonly maxDelayMs: number;
  /** Resident bytes before the snapshot, minus the size of the state. */
  readonly residentBefore: number;
  /** Peak number of resident bytes during the snapshot, minus the size of the state. */
  readonly maxResident: number;
}

/** Measurements of a snapshot received and installed by a follower. */
export interface CatchUpResult {
  /**
   * Time from the arrival of the first bytes to the end of the installation, including the state
   * machine's restore.
   */
  readonly seconds: number;
  readonly bytes: number;
  /** Peak number of resident bytes during the installation, minus the size of the state. */
  readonly maxResident: number;
}

export type Reply =
  | { readonly kind: 'started' }
  | { readonly kind: 'leads' }
  | ({ readonly kind: 'caughtUp' } & CatchUpResult)
  | ({ readonly kind: 'loaded' } & LoadResult)
  | ({ readonly kind: 'snapshotTaken' } & SnapshotResult)
  | { readonly kind: 'counters'; readonly counters: Counters }
  | { readonly kind: 'stopped' };

const cluster = 'bench';
const counters = newCounters();
let node: RaftNode<unknown> | undefined;
let commit: () => Promise<unknown> = () => Promise.reject(new Error('The replica is not started.'));
let machine: StateMachine<number> | undefined;
let stateBytes = 0;

function reply(message: Reply): void {
  process.send?.(message);
}

async function start({ id, folder, members, transport: name, security, state, typed }: Start): Promise<void> {
  stateBytes = state;
  machine ??= state === 0 ? adder() : adderWithState(state);
  const log = new FileLog(countSyncs(await openFolder(folder), counters));
  await bootstrap(log, { cluster, server: id, members }).catch((error: unknown) => {
    if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
  });
  const port = Number(new URL(members[id] as string).port);
  const transportOptions = { listen: { port }, ...security };
  const transport = name === 'ws' ? new WebSocketTransport(transportOptions) : new HttpTransport(transportOptions);
  const options = {
    id,
    cluster,
    log: countLog(log, counters),
    transport: countTransport(transport, counters),
    ...(state === 0 ? {} : { snapshots: new FileSnapshots(folder), snapshotPolicy: ON_REQUEST }),
    timings: { heartbeat: 50, election: 300 },
  };
  if (typed) {
    const typedNode = await TypedNode.open({ ...options, machine: typedAdder });
    node = typedNode.raft;
    // As JSON in a record, the command has about 256 B.
    const text = 'x'.repeat(208);
    commit = () => typedNode.execute('add', text);
  } else {
    const plain = await RaftNode.open({ ...options, machine });
    node = plain;
    commit = () => plain.propose(command);
  }
  reply({ kind: 'started' });
  const opened = node;
  const announce = (): void => {
    if (opened.isLeader && opened.status().membership?.founded === true) reply({ kind: 'leads' });
  };
  announce();
  node.on('state', announce);
  node.on('membership', announce);
  reportInstalls(node);
}

/** A policy under which a node takes snapshots only on request. */
const ON_REQUEST = { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 0 };

/**
 * Sends the reply `caughtUp` each time the node has installed a snapshot and its state machine has
 * restored it.
 */
function reportInstalls(of: RaftNode<unknown>): void {
  let receiving: { readonly since: number; readonly memory: MemoryWatch } | undefined;
  let awaitedIndex = Infinity;
  let size = 0;
  of.on('snapshotReceiving', () => (receiving ??= { since: performance.now(), memory: watchMemory() }));
  of.on('snapshotInstalled', ({ index, bytes }) => {
    awaitedIndex = index;
    size = bytes;
  });
  of.on('apply', ({ index }) => {
    if (index < awaitedIndex || receiving === undefined) return;
    awaitedIndex = Infinity;
    const seconds = (performance.now() - receiving.since) / 1_000;
    reply({ kind: 'caughtUp', seconds, bytes: size, maxResident: receiving.memory.end() });
    receiving = undefined;
  });
}

interface MemoryWatch {
  /** Stops sampling. Returns the peak number of resident bytes, minus the size of the state. */
  end(): number;
}

/** Samples the resident memory of this process every 100 ms. */
function watchMemory(): MemoryWatch {
  let maxResident = 0;
  const sample = (): void => void (maxResident = Math.max(maxResident, process.memoryUsage.rss() - stateBytes));
  const timer = setInterval(sample, 100);
  return {
    end: () => {
      sample();
      clearInterval(timer);
      return maxResident;
    },
  };
}

async function takeSnapshot(of: RaftNode<unknown>): Promise<SnapshotResult> {
  const residentBefore = process.memoryUsage.rss() - stateBytes;
  const memory = watchMemory();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const start = performance.now();
  const { bytes } = await of.snapshot();
  const seconds = (performance.now() - start) / 1_000;
  delays.disable();
  const delayMs = (nanoseconds: number): number => nanoseconds / 1e6 - 1;
  return {
    seconds,
    bytes,
    p99DelayMs: delayMs(delays.percentile(99)),
    maxDelayMs: delayMs(delays.max),
    residentBefore,
    maxResident: memory.end(),
  };
}

async function serve(request: Request): Promise<void> {
  if (request.kind === 'start') return start(request);
  if (request.kind === 'counters') return reply({ kind: 'counters', counters });
  if (node === undefined) throw new Error('The replica is not started. Send it a start request first.');
  if (request.kind === 'load')
    reply({ kind: 'loaded', ...(await load(commit, request.proposers, request.milliseconds)) });
  if (request.kind === 'snapshot') reply({ kind: 'snapshotTaken', ...(await takeSnapshot(node)) });
  if (request.kind === 'stop') {
    await node.close();
    reply({ kind: 'stopped' });
  }
}

process.on('message', (request: Request) => void serve(request));
process.on('disconnect', () => process.exit());
