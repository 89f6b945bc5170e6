import { INVARIANTS, NODE_INVARIANTS, type Invariant } from '@kontiki/testing';
import { runPool } from '../pool.js';
import { Progress } from '../progress.js';
import type { SeedResult } from '../worker.js';
import { buildMutant } from './build.js';
import { UsageError } from '../usage-error.js';
import type { Storage, World } from '../worlds.js';
import { mutants as levelMutants } from './level.js';
import { killByTest } from './kill-by-test.js';
import type { Mutant } from './mutant.js';
import { mutants as nodeMutants } from './nodes.js';
import { mutants as protocolMutants } from './protocol.js';
import { mutants as snapshotMutants } from './snapshots.js';

/** Returns the mutants that a kind of world must find. */
function mutantsOf(world: World, storage: Storage): readonly Mutant[] {
  if (world === 'fast') return protocolMutants;
  return storage === 'level' ? levelMutants : [...nodeMutants, ...snapshotMutants];
}

export interface MutantsOptions {
  readonly world: World;
  readonly storage: Storage;
  /** Substrings of the names of the mutants to run. If empty, all mutants run. */
  readonly names: readonly string[];
  /** Whether to check one invariant at a time and disable all others. */
  readonly alone: boolean;
  /** The invariants to check. Default: all invariants that this kind of world checks. */
  readonly invariants: readonly Invariant[] | undefined;
  /** Maximum number of worlds to run per mutant. */
  readonly seeds: number;
  /** The seed of the first world to run. */
  readonly from: number;
}

/**
 * Resolves with true if every mutant was detected. If `alone` is set, resolves with true if every
 * invariant detected at least one mutant.
 */
export async function runMutants({ names, alone, invariants, ...worlds }: MutantsOptions): Promise<boolean> {
  const { world, storage } = worlds;
  const all = mutantsOf(world, storage);
  const chosen = all.filter(({ name, equivalent }) =>
    names.length === 0 ? equivalent === undefined : names.some((part) => name.includes(part)),
  );
  if (chosen.length === 0) throw new UsageError(`No mutant name contains ${names.join(' or ')}.`);
  const checked = invariants ?? (world === 'fast' ? INVARIANTS : [...INVARIANTS, ...NODE_INVARIANTS]);
  if (alone)
    return checkInvariantsAlone(
      worlds,
      chosen.filter(({ rare }) => rare === undefined),
      checked,
    );
  const found = await findAll(worlds, chosen, checked);
  if (names.length > 0) return found;
  for (const { name, equivalent } of all)
    if (equivalent !== undefined) console.log(`${name}: skipped as equivalent to the correct code: ${equivalent}`);
  return found;
}

/** Settings of the worlds that run with each mutant. */
type Worlds = Pick<MutantsOptions, 'world' | 'storage' | 'seeds' | 'from'>;

interface Killed {
  /**
   * Number of worlds up to and including the first failing world. Undefined if a test found the
   * mutant.
   */
  readonly seeds?: number;
  /** The invariant, error or test that found the mutant. */
  readonly by: string;
}

async function findAll(worlds: Worlds, chosen: readonly Mutant[], invariants: readonly Invariant[]): Promise<boolean> {
  const seedCounts: number[] = [];
  let survivors = 0;
  for (const mutant of chosen) {
    const { name, rare } = mutant;
    const killed: Killed | undefined =
      rare === undefined ? await kill(worlds, mutant, invariants) : killByTest(mutant, rare.test);
    if (killed === undefined) survivors += 1;
    else if (killed.seeds !== undefined) seedCounts.push(killed.seeds);
    const effort = rare?.test ?? `seeds: ${killed?.seeds ?? worlds.seeds}`;
    console.log(`${name.padEnd(70)} ${killed === undefined ? 'SURVIVED' : `found by ${killed.by}`} (${effort})`);
  }
  const median = seedCounts.sort((a, b) => a - b)[Math.floor(seedCounts.length / 2)];
  const typical = median === undefined ? '' : `; median of the seeds needed: ${median}`;
  console.log(`${chosen.length - survivors} found, ${survivors} survived${typical}`);
  return survivors === 0;
}

async function checkInvariantsAlone(
  worlds: Worlds,
  chosen: readonly Mutant[],
  invariants: readonly Invariant[],
): Promise<boolean> {
  let failures = 0;
  for (const invariant of invariants) {
    const found = await firstKilled(worlds, chosen, invariant);
    if (found === undefined) failures += 1;
    console.log(`${invariant.padEnd(20)} ${found ?? `FOUND NO MUTANT in ${worlds.seeds} seeds each`}`);
  }
  return failures === 0;
}

async function firstKilled(
  worlds: Worlds,
  chosen: readonly Mutant[],
  invariant: Invariant,
): Promise<string | undefined> {
  for (const mutant of chosen) {
    const killed = await kill(worlds, mutant, [invariant]);
    if (killed !== undefined) return `found "${mutant.name}" (seeds: ${killed.seeds})`;
  }
  return undefined;
}

const BATCH = 2;

async function kill(
  { world, storage, seeds, from }: Worlds,
  mutant: Mutant,
  invariants: readonly Invariant[],
): Promise<Killed | undefined> {
  const script = await buildMutant(mutant);
  const progress = new Progress();
  const failed: SeedResult[] = [];
  let started = 0;
  let done = 0;
  try {
    await runPool({
      world,
      script,
      options: { invariants, storage },
      nextSeeds: () => {
        if (failed.length > 0 || started >= seeds) return [];
        const batch = Array.from({ length: BATCH }, (_, i) => from + started + i);
        started += BATCH;
        return batch;
      },
      onResult: (result) => {
        done += 1;
        if (result.violation !== undefined) failed.push(result);
        progress.show(() => `${mutant.name}: ${done} seeds`);
      },
    });
  } catch (error) {
    // The buggy code threw an unexpected error or hung.
    return { seeds: done + 1, by: `error '${(error as Error).message}'` };
  } finally {
    progress.clear();
  }
  // All seeds that started before the first failure have finished. The lowest failing seed, and
  // therefore the count, is the same in every run.
  const first = failed.sort((a, b) => a.seed - b.seed)[0];
  return first?.violation && { seeds: first.seed + 1 - from, by: first.violation.invariant };
}
