import { INVARIANTS, NODE_INVARIANTS, type Invariant } from '@kontiki/testing';
import { runPool } from '../pool.js';
import { Progress } from '../progress.js';
import type { SeedResult } from '../worker.js';
import { buildMutant } from './build.js';
import { UsageError } from '../usage-error.js';
import type { Storage, World } from '../worlds.js';
import { mutants as ofLevel } from './level.js';
import { killByTest } from './kill-by-test.js';
import type { Mutant } from './mutant.js';
import { mutants as ofNodes } from './nodes.js';
import { mutants as ofProtocol } from './protocol.js';
import { mutants as ofSnapshots } from './snapshots.js';

/** The bugs that a world must notice. */
function mutantsOf(world: World, storage: Storage): readonly Mutant[] {
  if (world === 'fast') return ofProtocol;
  return storage === 'level' ? ofLevel : [...ofNodes, ...ofSnapshots];
}

export interface MutantsOptions {
  readonly world: World;
  readonly storage: Storage;
  /** Parts of the names of those to run; all when there are none. */
  readonly names: readonly string[];
  /** Looks with one invariant at a time. */
  readonly alone: boolean;
  /** Default: all that the world has. */
  readonly invariants: readonly Invariant[] | undefined;
  /** How many worlds a mutant must be found in, from which one on. */
  readonly seeds: number;
  readonly from: number;
}

/** Resolves with whether each mutant was found or, with `alone`, whether each invariant found one. */
export async function runMutants({ names, alone, invariants, ...worlds }: MutantsOptions): Promise<boolean> {
  const { world, storage } = worlds;
  const all = mutantsOf(world, storage);
  const chosen = all.filter(({ name, equivalent }) =>
    names.length === 0 ? equivalent === undefined : names.some((part) => name.includes(part)),
  );
  if (chosen.length === 0) throw new UsageError(`No mutant's name has ${names.join(' or ')} in it.`);
  const looked = invariants ?? (world === 'fast' ? INVARIANTS : [...INVARIANTS, ...NODE_INVARIANTS]);
  if (alone)
    return findAlone(
      worlds,
      chosen.filter(({ rare }) => rare === undefined),
      looked,
    );
  const found = await findAll(worlds, chosen, looked);
  if (names.length > 0) return found;
  for (const { name, equivalent } of all)
    if (equivalent !== undefined) console.log(`${name}: equivalent, ${equivalent}`);
  return found;
}

/** The worlds in which mutants are looked for. */
type Worlds = Pick<MutantsOptions, 'world' | 'storage' | 'seeds' | 'from'>;

interface Killed {
  /** How many worlds it took, if it was looked for in worlds. */
  readonly seeds?: number;
  readonly by: string;
}

async function findAll(worlds: Worlds, chosen: readonly Mutant[], invariants: readonly Invariant[]): Promise<boolean> {
  const taken: number[] = [];
  let survivors = 0;
  for (const mutant of chosen) {
    const { name, rare } = mutant;
    const killed: Killed | undefined =
      rare === undefined ? await kill(worlds, mutant, invariants) : killByTest(mutant, rare.test);
    if (killed === undefined) survivors += 1;
    else if (killed.seeds !== undefined) taken.push(killed.seeds);
    const place = rare?.test ?? `${killed?.seeds ?? worlds.seeds} seeds`;
    console.log(`${name.padEnd(62)} ${killed === undefined ? `SURVIVED ${place}` : `${place}, by ${killed.by}`}`);
  }
  const median = taken.sort((a, b) => a - b)[Math.floor(taken.length / 2)];
  const effort = median === undefined ? '' : `; median ${median} seeds`;
  console.log(`${chosen.length - survivors} killed, ${survivors} survived${effort}`);
  return survivors === 0;
}

async function findAlone(
  worlds: Worlds,
  chosen: readonly Mutant[],
  invariants: readonly Invariant[],
): Promise<boolean> {
  let blind = 0;
  for (const invariant of invariants) {
    const found = await firstKilled(worlds, chosen, invariant);
    if (found === undefined) blind += 1;
    console.log(`${invariant.padEnd(20)} ${found ?? `FINDS NOTHING within ${worlds.seeds} seeds each`}`);
  }
  return blind === 0;
}

async function firstKilled(
  worlds: Worlds,
  chosen: readonly Mutant[],
  invariant: Invariant,
): Promise<string | undefined> {
  for (const mutant of chosen) {
    const killed = await kill(worlds, mutant, [invariant]);
    if (killed !== undefined) return `${mutant.name}, after ${killed.seeds} seeds`;
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
  let handed = 0;
  let done = 0;
  try {
    await runPool({
      world,
      script,
      options: { invariants, storage },
      next: () => {
        if (failed.length > 0 || handed >= seeds) return [];
        const batch = Array.from({ length: BATCH }, (_, i) => from + handed + i);
        handed += BATCH;
        return batch;
      },
      result: (result) => {
        done += 1;
        if (result.violation !== undefined) failed.push(result);
        progress.show(() => `${mutant.name}: ${done} seeds`);
      },
    });
  } catch (error) {
    // The code threw what it never should, or no longer came to an end.
    return { seeds: done + 1, by: (error as Error).message };
  } finally {
    progress.clear();
  }
  // Those handed out before the first failure was known have ended, too, so that the count is the same every time.
  const first = failed.sort((a, b) => a.seed - b.seed)[0];
  return first?.violation && { seeds: first.seed + 1 - from, by: first.violation.invariant };
}
