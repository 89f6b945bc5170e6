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
import { describe } from './describe.js';
import { defaultSnapshotPolicy, type SnapshotPolicy } from './snapshots/policy.js';

/** The parts and settings of a node. */
export interface NodeOptions<Result> {
  /** The id of this server in the membership. */
  readonly id: ServerId;
  /**
   * The cluster's id, created by `createClusterId`. All servers of the cluster must have the same
   * id.
   */
  readonly cluster: string;
  /**
   * The address at which peers reach this server. Set this option if the address may have changed
   * since the server's last start. The server announces the address to its peers, and the leader
   * records it in the membership. By default, the server announces nothing, and its peers use the
   * address in the membership.
   */
  readonly address?: string | undefined;
  readonly machine: StateMachine<Result>;
  readonly log: LogStore;
  readonly transport: Transport;
  /**
   * The snapshot store. If set, the state machine must have the methods `snapshot` and `restore`.
   * Without a snapshot store, the log grows forever.
   */
  readonly snapshots?: SnapshotStore | undefined;
  readonly snapshotPolicy?: Partial<SnapshotPolicy> | undefined;
  /**
   * The compression of snapshots, which must be the same on every server. Uncompressed snapshots
   * remain readable. Default: none.
   */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  /** Heartbeat interval and election timeout. Default: heartbeat 100 ms, election 500 ms. */
  readonly timings?: Partial<Timings> | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Maximum size of a command in bytes. Default 1 MiB, at most 3 MiB. */
  readonly maxCommandBytes?: number | undefined;
  /** Timeout of calls that specify none, in milliseconds. Default 10,000. */
  readonly timeout?: number | undefined;
  readonly logger?: Logger | undefined;
  /** The source of time. Default: the system's monotonic clock. */
  readonly clock?: Clock | undefined;
  /**
   * A random number generator for election timeouts and the incarnation number. It returns
   * uniformly distributed numbers in [0, 1). Default: `Math.random`.
   */
  readonly random?: (() => number) | undefined;
}

/** The default value of `NodeOptions.timeout`. */
export const DEFAULT_TIMEOUT = 10_000;

export function badOption(message: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message);
}

export function checkTimings(timings: Timings): Timings {
  checkNames('timings', timings, defaultTimings);
  for (const [name, value] of Object.entries(timings)) {
    if (!isWithin(value, 1, 3_600_000)) {
      throw badOption(`timings.${name} must be 1 to 3,600,000 milliseconds, not ${describe(value)}.`);
    }
  }
  if (timings.election >= 2 * timings.heartbeat) return timings;
  throw badOption(
    `timings.election (${timings.election}) must be at least twice timings.heartbeat (${timings.heartbeat}), because followers would campaign between two heartbeats otherwise.`,
  );
}

/** Returns whether a value is a number from `least` to `most`. */
export function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

/**
 * Maximum bytes of entries in one message. The rest of the frame is left for other fields and
 * messages.
 */
const MAX_PAYLOAD = MAX_FRAME - 1024 * 1024;

function checkSize(name: string, value: unknown, most = Infinity): void {
  if (isWithin(value, Number.MIN_VALUE, most)) return;
  const range = most === Infinity ? 'a number above 0' : `above 0 and at most ${most}, so that a frame can carry it`;
  throw badOption(`${name} must be ${range}, not ${describe(value)}.`);
}

/** Returns whether a value is a finite number of milliseconds greater than 0. */
export function isDuration(value: unknown): boolean {
  return isWithin(value, Number.MIN_VALUE, Number.MAX_VALUE);
}

/** Throws unless an option is an object with the given methods. */
function checkPart(option: string, part: unknown, ...methods: readonly string[]): void {
  const isObject = (typeof part === 'object' && part !== null) || typeof part === 'function';
  if (!isObject) throw badOption(`${option} must be an object, not ${describe(part)}.`);
  const missing = methods.find((name) => typeof (part as Record<string, unknown>)[name] !== 'function');
  if (missing !== undefined) throw badOption(`${option} must have the method ${missing}.`);
}

function checkMachine({ machine, snapshots }: NodeOptions<unknown>): void {
  checkPart('machine', machine, 'apply');
  for (const name of ['open', 'snapshot', 'restore'] as const) {
    if (machine[name] !== undefined) checkPart('machine', machine, name);
  }
  const { version = 0, behavior = 1 } = machine;
  if (!Number.isSafeInteger(version) || version < 0)
    throw badOption(`machine.version must be an integer from 0 on, not ${describe(version)}.`);
  if (!(Number.isInteger(behavior) && isWithin(behavior, 1, 0xffff_ffff)))
    throw badOption(`machine.behavior must be an integer from 1 to 2^32 - 1, not ${describe(behavior)}.`);
  if (snapshots !== undefined && (machine.snapshot === undefined || machine.restore === undefined))
    throw badOption('A state machine needs the methods snapshot and restore if the node has a snapshot store.');
}

/** The names of all options. TypeScript reports an error if a name is missing. */
export type Names<Options> = Readonly<Record<keyof Options, true>>;

const nodeOptions: Names<NodeOptions<unknown>> = {
  id: true,
  cluster: true,
  address: true,
  machine: true,
  log: true,
  transport: true,
  snapshots: true,
  snapshotPolicy: true,
  snapshotCompression: true,
  timings: true,
  limits: true,
  maxCommandBytes: true,
  timeout: true,
  logger: true,
  clock: true,
  random: true,
};

/**
 * Returns an error if an object contains an unknown option; undefined if all of its options are
 * known. Without this check, a misspelled option would silently keep its default.
 */
export function refuseNames(option: string, given: object, known: object): KontikiError | undefined {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return undefined;
  return badOption(`There is no ${option}.${unknown}. Known names: ${Object.keys(known).join(', ')}.`);
}

function checkNames(option: string, given: object | undefined, known: object): void {
  if (given === undefined) return;
  checkPart(option, given);
  const refused = refuseNames(option, given, known);
  if (refused !== undefined) throw refused;
}

/** Throws `KONTIKI_BAD_OPTION` if an option is invalid. Called before any port is opened. */
export function checkOptions(options: NodeOptions<unknown>): void {
  checkNames('options', options, nodeOptions);
  checkId('id', options.id);
  checkId('cluster', options.cluster);
  const { address } = options;
  // Handshakes carry the address in an HTTP header, which limits its characters.
  if (address !== undefined && !(typeof address === 'string' && /^[!-~]{1,512}$/.test(address)))
    throw badOption(`address must be 1 to 512 printable ASCII characters without spaces, not ${describe(address)}.`);
  checkNames('limits', options.limits, defaultLimits);
  checkNames('snapshotPolicy', options.snapshotPolicy, defaultSnapshotPolicy);
  checkTimings({ ...defaultTimings, ...options.timings });
  for (const [name, value] of Object.entries({ ...defaultLimits, ...options.limits })) {
    checkSize(`limits.${name}`, value, name === 'messageBytes' ? MAX_PAYLOAD : Infinity);
  }
  checkPart('log', options.log, 'open', 'append', 'reset', 'compact', 'read', 'onFull', 'close');
  checkPart('transport', options.transport, 'start', 'send', 'setPeers', 'close');
  const { snapshots, snapshotCompression, logger, clock, random } = options;
  if (snapshots !== undefined) checkPart('snapshots', snapshots, 'open', 'list', 'read', 'create', 'remove', 'close');
  checkMachine(options);
  if (snapshotCompression !== undefined)
    checkPart('snapshotCompression', snapshotCompression, 'compress', 'decompress');
  if (logger !== undefined) checkPart('logger', logger, 'debug', 'info', 'warn', 'error');
  if (clock !== undefined)
    checkPart('clock', clock, 'now', 'timer', 'defer', ...(clock.wall === undefined ? [] : ['wall']));
  if (random !== undefined && typeof random !== 'function')
    throw badOption(`random must be a function, not ${describe(random)}.`);
  const { bytesPerSecond = Infinity, ...policy } = { ...defaultSnapshotPolicy, ...options.snapshotPolicy };
  for (const [name, value] of Object.entries({ ...policy, bytesPerSecond })) {
    const least = name.startsWith('trailing') ? 0 : 1;
    if (!isWithin(value, least, Infinity))
      throw badOption(`snapshotPolicy.${name} must be a number from ${least} on, not ${describe(value)}.`);
  }
  const { timeout = DEFAULT_TIMEOUT, maxCommandBytes = 1 } = options;
  if (!isDuration(timeout))
    throw badOption(`timeout must be a finite number of milliseconds above 0, not ${describe(timeout)}.`);
  checkSize('maxCommandBytes', maxCommandBytes, MAX_PAYLOAD);
}
