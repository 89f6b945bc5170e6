import { KontikiError } from '../errors.js';
import { checkId } from '../id.js';
import type { ServerId } from '../log/server.js';
import type { Clock } from '../ports/clock.js';
import type { Logger } from '../ports/logger.js';
import type { LogStore } from '../ports/log-store.js';
import type { SnapshotStore } from '../ports/snapshot-store.js';
import type { StateMachine } from '../ports/state-machine.js';
import type { Transport } from '../ports/transport.js';
import { defaultLimits, defaultTimings, type Limits, type Timings } from '../protocol/settings.js';
import { MAX_FRAME } from '../wire/frame.js';
import type { SnapshotCompression } from '../wire/snapshot.js';
import { defaultSnapshotPolicy, type SnapshotPolicy } from './snapshots/policy.js';

/** The parts and settings of a node. */
export interface NodeOptions<Result> {
  /** This server's id in the membership. */
  readonly id: ServerId;
  /** The cluster's id, from `createClusterId`, the same on every server. */
  readonly cluster: string;
  readonly machine: StateMachine<Result>;
  readonly log: LogStore;
  readonly transport: Transport;
  /**
   * The store for snapshots. The state machine needs `snapshot` and `restore` then. Without a store
   * the log only grows.
   */
  readonly snapshots?: SnapshotStore | undefined;
  readonly snapshotPolicy?: Partial<SnapshotPolicy> | undefined;
  /**
   * The compression of snapshots, the same on every server. Uncompressed snapshots can be read,
   * too. Default: none.
   */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  /** Default: heartbeat 100 ms, election 500 ms. */
  readonly timings?: Partial<Timings> | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Largest command, in bytes. Default 1 MiB, at most 3 MiB. */
  readonly maxCommandBytes?: number | undefined;
  /** Milliseconds after which a call without a `timeout` of its own times out. Default 10,000. */
  readonly timeout?: number | undefined;
  readonly logger?: Logger | undefined;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock | undefined;
  /** Uniform in [0, 1), for election timeouts and the incarnation. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export function badOption(message: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message);
}

export function checkTimings(timings: Timings): Timings {
  checkNames('timings', timings, defaultTimings);
  for (const [name, value] of Object.entries(timings)) {
    if (!(value >= 1 && value <= 3_600_000)) {
      throw badOption(`timings.${name} must be 1 to 3,600,000 milliseconds, not ${value}.`);
    }
  }
  if (timings.election >= 2 * timings.heartbeat) return timings;
  throw badOption(
    `timings.election (${timings.election}) must be at least twice timings.heartbeat (${timings.heartbeat}), because followers would campaign between two heartbeats otherwise.`,
  );
}

/** Maximum bytes of entries in one message: a frame, less room for everything else in it. */
const MAX_PAYLOAD = MAX_FRAME - 1024 * 1024;

function checkSize(name: string, value: number, most = Infinity): void {
  if (value > 0 && value <= most) return;
  const range = most === Infinity ? 'a number above 0' : `above 0 and at most ${most}, so that a frame can carry it`;
  throw badOption(`${name} must be ${range}, not ${value}.`);
}

/** Refuses an unknown name, because a misspelled option would silently keep its default. */
function checkNames(option: string, given: object | undefined, known: object): void {
  const unknown = Object.keys(given ?? {}).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  throw badOption(`There is no ${option}.${unknown}. Known names: ${Object.keys(known).join(', ')}.`);
}

/** Refuses options that cannot work, before anything is opened. */
export function checkOptions(options: NodeOptions<unknown>): void {
  checkId('id', options.id);
  checkId('cluster', options.cluster);
  checkNames('limits', options.limits, defaultLimits);
  checkNames('snapshotPolicy', options.snapshotPolicy, defaultSnapshotPolicy);
  checkTimings({ ...defaultTimings, ...options.timings });
  for (const [name, value] of Object.entries({ ...defaultLimits, ...options.limits })) {
    checkSize(`limits.${name}`, value, name === 'messageBytes' ? MAX_PAYLOAD : Infinity);
  }
  const { machine, snapshots } = options;
  if (snapshots !== undefined && (machine.snapshot === undefined || machine.restore === undefined))
    throw badOption('A state machine needs the methods snapshot and restore if the node has a snapshot store.');
  const { bytesPerSecond = Infinity, ...policy } = { ...defaultSnapshotPolicy, ...options.snapshotPolicy };
  for (const [name, value] of Object.entries({ ...policy, bytesPerSecond })) {
    const least = name.startsWith('trailing') ? 0 : 1;
    if (!(value >= least)) throw badOption(`snapshotPolicy.${name} must be a number from ${least} on, not ${value}.`);
  }
  checkSize('timeout', options.timeout ?? 1);
  checkSize('maxCommandBytes', options.maxCommandBytes ?? 1, MAX_PAYLOAD);
}
