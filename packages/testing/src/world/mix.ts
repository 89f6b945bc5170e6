import { defaultLimits } from '@kontiki/core/protocol';
import type { Limits, SnapshotPolicy, Timings } from '@kontiki/core';
import { Random } from '../random.js';

/** What can go wrong in a world. Each seed leaves about half of it out, so that what remains has room to unfold. */
export const FAULTS = [
  'latency',
  'jitter',
  'loss',
  'duplicates',
  'cuts',
  'partitions',
  'earlyLeaderFailures',
  'kills',
  'powerCuts',
  'wipes',
  'slowRestarts',
  'pauses',
  'lateTimers',
  'drift',
  'slowDisks',
  'stalls',
  'fullDisks',
  'slowLoops',
  'slowMachines',
  'retimings',
] as const;

/** What only whole nodes feel: frames that arrive damaged, disks that fail or rot, clocks that go forward at once, being closed in the middle of work. */
export const NODE_FAULTS = ['badFrames', 'diskErrors', 'bitFlips', 'clockJumps', 'closes'] as const;

export type Fault = (typeof FAULTS)[number] | (typeof NODE_FAULTS)[number];

/** What one seed's world is like. */
export interface Mix {
  readonly servers: number;
  /** Simulated seconds before everything heals. */
  readonly seconds: number;
  readonly timings: Timings;
  readonly limits: Limits;
  /** How strongly each fault is at work: 0 when it is left out, else up to 1. */
  readonly strength: Readonly<Record<Fault, number>>;
  /** Milliseconds between two writes, and between two reads, on average. */
  readonly writeEvery: number;
  readonly readEvery: number;
  /** Bytes of the largest command. */
  readonly commandBytes: number;
  /** Whether the state machines keep their state on a disk of their own. */
  readonly durableMachines: boolean;
  /** When nodes take snapshots, and what they keep beside them. */
  readonly snapshotPolicy: Partial<SnapshotPolicy>;
}

const TIMINGS: readonly Timings[] = [
  { heartbeat: 20, election: 60 },
  { heartbeat: 50, election: 150 },
  { heartbeat: 100, election: 300 },
  { heartbeat: 100, election: 500 },
];

export interface MixOptions {
  readonly seconds?: number | undefined;
  /** Faults to leave out, whatever the seed draws. */
  readonly without?: readonly Fault[] | undefined;
}

function drawStrengths(random: Random, faults: readonly Fault[]): [Fault, number][] {
  return faults.map((fault) => [fault, random.chance(0.5) ? random.between(0.05, 1) : 0]);
}

function drawPolicy(random: Random): Partial<SnapshotPolicy> {
  return {
    maxEntries: random.chance(0.2) ? Infinity : 1 + random.below(50),
    trailingEntries: random.pick([0, 0, 3, 20]),
    keep: random.pick([1, 2, 3]),
    bytesPerSecond: random.chance(0.2) ? 50_000 : Infinity,
  };
}

/** `of`: what a world is made of; pure `Raft`s do not feel everything that whole nodes do. */
export function drawMix(seed: number, { seconds = 20, without = [] }: MixOptions, of: 'rafts' | 'nodes'): Mix {
  const random = new Random(seed, 'mix');
  const strength = Object.fromEntries([
    ...drawStrengths(random, FAULTS),
    ...drawStrengths(new Random(seed, 'mix of nodes'), NODE_FAULTS),
  ]) as Record<Fault, number>;
  for (const fault of of === 'rafts' ? [...without, ...NODE_FAULTS] : without) strength[fault] = 0;
  const oneByOne = random.chance(0.5);
  return {
    seconds,
    strength,
    servers: random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7]),
    timings: random.pick(TIMINGS),
    limits: {
      ...defaultLimits,
      messageBytes: oneByOne ? 1 : random.pick([200, 1_000, defaultLimits.messageBytes]),
      windowMessages: random.pick([1, 2, 8, 64]),
      windowBytes: random.pick([500, 5_000, defaultLimits.windowBytes]),
      uncommittedBytes: random.pick([500, 5_000, defaultLimits.uncommittedBytes]),
      undurableBytes: random.pick([500, 5_000, defaultLimits.undurableBytes]),
      tailBytes: random.pick([0, 1_000, 10_000, defaultLimits.tailBytes]),
    },
    writeEvery: random.pick([10, 30, 80, 200]),
    readEvery: random.pick([30, 100, 400]),
    commandBytes: random.pick([4, 4, 100, 500]),
    durableMachines: random.chance(0.5),
    snapshotPolicy: drawPolicy(new Random(seed, 'snapshots')),
  };
}
