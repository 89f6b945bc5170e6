import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import {
  Random,
  runFastWorld,
  runFullWorld,
  type FullWorldOptions,
  type Outcome,
  type WorldOptions,
} from '@kontiki/testing';
import { SimulatedLevel } from '@kontiki/testing/level';

/**
 * Kinds of worlds. `fast` runs only the protocol, on model disks. `full` runs whole nodes with
 * their stores and frames.
 */
export const WORLDS = ['fast', 'full'] as const;

export type World = (typeof WORLDS)[number];

/** Kinds of stores in the full world: files, or an `abstract-level` database. */
export const STORAGES = ['fs', 'level'] as const;

export type Storage = (typeof STORAGES)[number];

/** The settings of a world, except for its seed. */
export interface Options extends Pick<WorldOptions, 'invariants' | 'seconds' | 'without' | 'trace'> {
  /** The kind of the nodes' stores. Default: `fs`. */
  readonly storage?: Storage | undefined;
}

type Folder = Parameters<FullWorldOptions['log']>[0]['folder'];

/** Default duration of a world in simulated seconds. */
export const SECONDS = 20;

/** Draws a segment size that is small enough for a log to have several segments. */
function segmentBytes(seed: number): number {
  return new Random(seed, 'segments').pick([700, 4_096, 65_536]);
}

/** Returns functions that create the stores of one world. */
function storesOf(seed: number, storage: Storage): Pick<FullWorldOptions, 'log' | 'snapshots'> {
  if (storage === 'fs') {
    return {
      log: ({ folder, clock, random }) => new FileLog(folder, { clock, random, segmentBytes: segmentBytes(seed) }),
      snapshots: ({ folder }) => new FileSnapshots(folder),
    };
  }
  // The log and the snapshots of a server process are in the same folder and must share a database.
  const databases = new WeakMap<Folder, SimulatedLevel>();
  const databaseOn = (folder: Folder): SimulatedLevel => {
    const database = databases.get(folder) ?? new SimulatedLevel(folder);
    databases.set(folder, database);
    return database;
  };
  return {
    log: ({ folder }) => new LevelLog(databaseOn(folder)),
    snapshots: ({ folder }) => new LevelSnapshots(databaseOn(folder)),
  };
}

/** Runs one seed. In the full world, nodes use the real stores of this repository. */
export async function runWorld(
  world: World,
  seed: number,
  { storage = 'fs', ...options }: Options = {},
): Promise<Outcome> {
  if (world === 'fast') return runFastWorld(seed, options);
  return runFullWorld(seed, { ...options, ...storesOf(seed, storage) });
}
