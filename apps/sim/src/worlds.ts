import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { Random, runFastWorld, runFullWorld, type Outcome, type WorldOptions } from '@kontiki/testing';

/** `fast`: pure `Raft`s on model disks. `full`: whole nodes, with their stores and frames. */
export const WORLDS = ['fast', 'full'] as const;

export type World = (typeof WORLDS)[number];

/** What a world may be told, beside its seed. */
export type Options = Pick<WorldOptions, 'invariants' | 'seconds' | 'without' | 'tell'>;

/** Simulated seconds of a world, unless somebody says otherwise. */
export const SECONDS = 20;

/** Small segments, so that a log has several. */
function segmentBytes(seed: number): number {
  return new Random(seed, 'segments').pick([700, 4_096, 65_536]);
}

/** Runs one seed in a world; in the full one, on this repo's stores. */
export async function runWorld(world: World, seed: number, options: Options = {}): Promise<Outcome> {
  if (world === 'fast') return runFastWorld(seed, options);
  return runFullWorld(seed, {
    ...options,
    log: ({ folder, clock, random }) => new FileLog(folder, { clock, random, segmentBytes: segmentBytes(seed) }),
    snapshots: ({ folder }) => new FileSnapshots(folder),
  });
}
