import { defaultLimits } from '@kontiki/core/protocol';
import type { Limits, SnapshotPolicy, Timings } from '@kontiki/core';
import { Random } from '../random.js';

/**
 * Kinds of faults. Each seed leaves out about half of them, because one fault can hide the effects
 * of another. Strengths are drawn in this order, so reordering the list changes all worlds.
 *
 * - `latency`: messages take longer
 * - `jitter`: some messages are delayed, and others overtake them
 * - `loss`, `duplicates`: messages are lost, or arrive twice
 * - `cuts`, `partitions`: single links are cut, or all links between two groups
 * - `earlyLeaderFailures`: leaders crash or are isolated soon after their election
 * - `kills`, `powerCuts`: processes are killed, or the power is cut and unsynced writes may be lost
 * - `wipes`: a disk is replaced with an empty one
 * - `slowRestarts`: servers stay down longer after a crash
 * - `pauses`: processes are paused, as with SIGSTOP
 * - `lateTimers`: timers fire up to a second late
 * - `drift`: clocks run up to 10 % fast or slow
 * - `slowDisks`, `stalls`: syncs are slow, or stall for up to ten election timeouts
 * - `fullDisks`: disks are temporarily full
 * - `slowLoops`: the event loop runs callbacks late
 * - `slowMachines`: state machines apply entries late
 * - `retimings`: the timings of all servers change while they run
 */
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

/**
 * Kinds of faults that were added later. They are drawn separately, so that older seeds keep their
 * other conditions.
 *
 * - `hangs`: a disk stops answering, without an error, often until its server crashes
 * - `weakMachines`: state machines apply entries more slowly than clients propose them
 */
export const LATER_FAULTS = ['hangs', 'weakMachines'] as const;

/**
 * Operator actions, drawn separately like `LATER_FAULTS`. In a world with churn, no disk is
 * lost or full, because a server that lost its disk must not rejoin under its old id.
 *
 * - `churn`: members are added, promoted, demoted and removed, several at a time and sometimes by
 *   force
 * - `transfers`: leaders are asked to transfer their leadership
 * - `levels`: servers have versions that read different feature levels, are upgraded and rolled
 *   back, and leaders are asked to raise the level
 */
const OPERATIONS = ['churn', 'transfers', 'levels'] as const;

/**
 * Operator mistakes, drawn separately like `LATER_FAULTS`.
 *
 * - `restoredCopies`: a disk is replaced by an older copy of itself, and its server runs on it
 */
const MISTAKES = ['restoredCopies'] as const;

/**
 * Disasters, which exist only in the full world and are drawn separately like `LATER_FAULTS`.
 *
 * - `lostMajorities`: after the other faults, a majority is lost for good, and an operator recovers
 *   a survivor
 */
const DISASTERS = ['lostMajorities'] as const;

/**
 * Operations and mistakes that exist only in the fast world. In the full world, every node reads
 * the feature levels of this version.
 */
const RAFT_OPERATIONS: readonly Fault[] = ['levels', 'restoredCopies'];

/**
 * Kinds of faults that exist only in the full world.
 *
 * - `badFrames`: frames arrive with a flipped bit
 * - `diskErrors`: disk operations fail
 * - `bitFlips`: a bit on a disk flips while its server is down
 * - `clockJumps`: clocks jump forward
 * - `closes`: nodes are closed and started again
 */
const NODE_FAULTS = ['badFrames', 'diskErrors', 'bitFlips', 'clockJumps', 'closes'] as const;

/**
 * Leases, and faults of clocks that matter for them. They are drawn separately like `LATER_FAULTS`.
 * A world without leases has none of these faults.
 *
 * - `leases`: operators set the length of leases, and clients read by them
 * - `suspensions`: machines are suspended, which stops their monotonic clocks
 * - `clockSteps`: wall clocks jump back and forth, and monotonic clocks jump forward
 * - `leaseAttacks`: leaders are isolated, often while all others restart or their clocks jump
 */
const LEASE_FAULTS = ['leases', 'suspensions', 'clockSteps', 'leaseAttacks'] as const;

/**
 * Operations on versions of the state machine, which exist only in the full world and are drawn
 * separately like `LATER_FAULTS`. They need a `Workload` with the method `raise`.
 *
 * - `versions`: servers are upgraded one after the other and rolled back, and leaders are asked to
 *   raise the version of the state machine
 */
const VERSION_OPERATIONS = ['versions'] as const;

/** Faults that are left out of worlds with churn. */
const DISK_FAULTS: readonly Fault[] = ['wipes', 'fullDisks', 'bitFlips', 'restoredCopies', 'lostMajorities'];

/** All kinds of faults. */
export const ALL_FAULTS: readonly Fault[] = [
  ...FAULTS,
  ...LATER_FAULTS,
  ...OPERATIONS,
  ...MISTAKES,
  ...DISASTERS,
  ...NODE_FAULTS,
  ...LEASE_FAULTS,
  ...VERSION_OPERATIONS,
];

export type Fault =
  | (typeof FAULTS)[number]
  | (typeof LATER_FAULTS)[number]
  | (typeof OPERATIONS)[number]
  | (typeof MISTAKES)[number]
  | (typeof DISASTERS)[number]
  | (typeof NODE_FAULTS)[number]
  | (typeof LEASE_FAULTS)[number]
  | (typeof VERSION_OPERATIONS)[number];

/**
 * The conditions of one world, drawn from its seed: size, timings, limits, workload, and the
 * strength of each fault. Worlds with different conditions find different bugs. In half of the
 * seeds, a message contains at most one entry. Many seeds also have small windows and queues.
 */
export interface Mix {
  readonly servers: number;
  /** Simulated seconds until all faults end. */
  readonly seconds: number;
  readonly timings: Timings;
  readonly limits: Limits;
  /**
   * Strength of each fault, from 0 (never occurs) to 1. The strength scales the fault's frequency,
   * probability or duration.
   */
  readonly strength: Readonly<Record<Fault, number>>;
  /** Mean number of milliseconds between two writes. */
  readonly writeEvery: number;
  /** Mean number of milliseconds between two reads. */
  readonly readEvery: number;
  /** Size in bytes of the largest command that clients propose. */
  readonly commandBytes: number;
  /** Whether state machines recover from their own disk after a restart. */
  readonly durableMachines: boolean;
  /**
   * Whether a fast world begins with a cluster that is not founded yet, as after `bootstrap`.
   * Servers with lost disks are then bootstrapped again, which is a mistake once the cluster is
   * founded.
   */
  readonly founding: boolean;
  /** Snapshot policy of all nodes. */
  readonly snapshotPolicy: Partial<SnapshotPolicy>;
}

const TIMINGS: readonly Timings[] = [
  { heartbeat: 20, election: 60 },
  { heartbeat: 50, election: 150 },
  { heartbeat: 100, election: 300 },
  { heartbeat: 100, election: 500 },
];

export interface MixOptions {
  /** Simulated seconds until all faults end. Default: 20. */
  readonly seconds?: number | undefined;
  /** Faults to disable, even if the seed draws them. Default: none. */
  readonly without?: readonly Fault[] | undefined;
}

function drawStrengths(random: Random, faults: readonly Fault[], chance = 0.5): [Fault, number][] {
  return faults.map((fault) => [fault, random.chance(chance) ? random.between(0.05, 1) : 0]);
}

function drawApplyLimits(random: Random): Pick<Limits, 'unappliedBytes' | 'unappliedMs'> {
  return {
    unappliedBytes: random.pick([500, 5_000, defaultLimits.unappliedBytes]),
    unappliedMs: random.pick([200, 1_000, defaultLimits.unappliedMs]),
  };
}

function drawPolicy(random: Random): Partial<SnapshotPolicy> {
  return {
    maxEntries: random.chance(0.2) ? Infinity : 1 + random.below(50),
    trailingEntries: random.pick([0, 0, 3, 20]),
    keep: random.pick([1, 2, 3]),
    bytesPerSecond: random.chance(0.2) ? 50_000 : Infinity,
  };
}

/** Draws the conditions of a world. `NODE_FAULTS` are disabled in a world of pure `Raft`s. */
export function drawMix(seed: number, { seconds = 20, without = [] }: MixOptions, of: 'rafts' | 'nodes'): Mix {
  const random = new Random(seed, 'mix');
  const strength = Object.fromEntries([
    ...drawStrengths(random, FAULTS),
    ...drawStrengths(new Random(seed, 'later faults'), LATER_FAULTS, 0.25),
    ...drawStrengths(new Random(seed, 'operations'), OPERATIONS, 0.3),
    ...drawStrengths(new Random(seed, 'mistakes'), MISTAKES, 0.25),
    ...drawStrengths(new Random(seed, 'disasters'), DISASTERS, 0.2),
    ...drawStrengths(new Random(seed, 'mix of nodes'), NODE_FAULTS),
    ...drawStrengths(new Random(seed, 'leases'), LEASE_FAULTS, 0.5),
    ...drawStrengths(new Random(seed, 'versions'), VERSION_OPERATIONS, 0.7),
  ]) as Record<Fault, number>;
  for (const fault of of === 'rafts'
    ? [...without, ...DISASTERS, ...NODE_FAULTS, ...VERSION_OPERATIONS]
    : [...without, ...RAFT_OPERATIONS])
    strength[fault] = 0;
  if (strength.churn > 0) for (const fault of DISK_FAULTS) strength[fault] = 0;
  if (strength.leases === 0) for (const fault of LEASE_FAULTS) strength[fault] = 0;
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
      // Tight limits would also reduce the load on slow disks and thereby hide bugs.
      ...(strength.weakMachines > 0 ? drawApplyLimits(new Random(seed, 'applying')) : {}),
      // `RaftNode` requires limits of at least 1.
      tailBytes: Math.max(of === 'nodes' ? 1 : 0, random.pick([0, 1_000, 10_000, defaultLimits.tailBytes])),
    },
    writeEvery: random.pick([10, 30, 80, 200]),
    readEvery: random.pick([30, 100, 400]),
    commandBytes: random.pick([4, 4, 100, 500]),
    durableMachines: random.chance(0.5),
    founding: new Random(seed, 'founding').chance(0.4),
    snapshotPolicy: drawPolicy(new Random(seed, 'snapshots')),
  };
}
