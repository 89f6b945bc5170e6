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
import { defaultSnapshotPolicy, type SnapshotPolicy } from './snapshot-policy.js';

/** What a node is made of. */
export interface NodeOptions<Result> {
  /** This server's id, as the membership names it. */
  readonly id: ServerId;
  /** The cluster's id, from `createClusterId`, the same on every server. */
  readonly cluster: string;
  readonly machine: StateMachine<Result>;
  readonly log: LogStore;
  readonly transport: Transport;
  /** Where snapshots are kept; the machine needs `snapshot` and `restore` then. Without it the log only grows. */
  readonly snapshots?: SnapshotStore | undefined;
  readonly snapshotPolicy?: Partial<SnapshotPolicy> | undefined;
  /** How snapshots are compressed; those that are not can be read as well. The same on every server. Default: not at all. */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  /** Default: heartbeat 100 ms, election 500 ms. */
  readonly timings?: Partial<Timings> | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Largest command, in bytes. Default 1 MiB, at most 3 MiB. */
  readonly maxCommandBytes?: number | undefined;
  /** Milliseconds a call may wait when it doesn't say so itself. Default 10,000. */
  readonly timeout?: number | undefined;
  readonly logger?: Logger | undefined;
  /** Default: the system's monotonic time. */
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
    `timings.election (${timings.election}) must be at least twice timings.heartbeat (${timings.heartbeat}), or followers would campaign between two heartbeats.`,
  );
}

/** What one message may carry in bytes: a frame, and room for what is around the entries. */
const MAX_PAYLOAD = MAX_FRAME - 1024 * 1024;

function checkSize(name: string, value: number, most = Infinity): void {
  if (value > 0 && value <= most) return;
  const range = most === Infinity ? 'a number above 0' : `above 0 and at most ${most}, so that a frame can carry it`;
  throw badOption(`${name} must be ${range}, not ${value}.`);
}

/** Refuses a name that means nothing: a misspelled bound would leave its default in force. */
function checkNames(option: string, given: object | undefined, known: object): void {
  const unknown = Object.keys(given ?? {}).find((name) => !(name in known));
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
    throw badOption('A state machine needs snapshot and restore where there is a store of snapshots.');
  const { bytesPerSecond = Infinity, ...policy } = { ...defaultSnapshotPolicy, ...options.snapshotPolicy };
  for (const [name, value] of Object.entries({ ...policy, bytesPerSecond })) {
    const least = name.startsWith('trailing') ? 0 : 1;
    if (!(value >= least)) throw badOption(`snapshotPolicy.${name} must be a number from ${least} on, not ${value}.`);
  }
  checkSize('timeout', options.timeout ?? 1);
  checkSize('maxCommandBytes', options.maxCommandBytes ?? 1, MAX_PAYLOAD);
}
