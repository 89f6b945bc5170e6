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

/** `fast`: pure `Raft`s on model disks. `full`: whole nodes, with their stores and frames. */
export const WORLDS = ['fast', 'full'] as const;

export type World = (typeof WORLDS)[number];

/** What the servers of the full world keep their logs and snapshots in. */
export const STORAGES = ['fs', 'level'] as const;

export type Storage = (typeof STORAGES)[number];

/** What a world may be told, beside its seed. */
export interface Options extends Pick<WorldOptions, 'invariants' | 'seconds' | 'without' | 'tell'> {
  /** Default: `fs`. */
  readonly storage?: Storage | undefined;
}

type Folder = Parameters<FullWorldOptions['log']>[0]['folder'];

/** Simulated seconds of a world, unless somebody says otherwise. */
export const SECONDS = 20;

/** Small segments, so that a log has several. */
function segmentBytes(seed: number): number {
  return new Random(seed, 'segments').pick([700, 4_096, 65_536]);
}

/** The stores of one world. */
function storesOf(seed: number, storage: Storage): Pick<FullWorldOptions, 'log' | 'snapshots'> {
  if (storage === 'fs') {
    return {
      log: ({ folder, clock, random }) => new FileLog(folder, { clock, random, segmentBytes: segmentBytes(seed) }),
      snapshots: ({ folder }) => new FileSnapshots(folder),
    };
  }
  // One life's log and snapshots share a folder, and so a database.
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

/** Runs one seed in a world; in the full one, on this repo's stores. */
export async function runWorld(
  world: World,
  seed: number,
  { storage = 'fs', ...options }: Options = {},
): Promise<Outcome> {
  if (world === 'fast') return runFastWorld(seed, options);
  return runFullWorld(seed, { ...options, ...storesOf(seed, storage) });
}
