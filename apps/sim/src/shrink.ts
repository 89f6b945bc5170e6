import { FAULTS, NODE_FAULTS, type Fault, type Invariant, type Outcome } from '@kontiki/testing';
import { runWorld, SECONDS, type Options, type Storage, type World } from './worlds.js';

/** The smallest world that still breaks: how to replay it, and how it ended. */
export interface Shrunk {
  readonly world: World;
  readonly seed: number;
  readonly storage: Storage;
  readonly without: readonly Fault[];
  readonly seconds: number;
  readonly outcome: Outcome;
}

/**
 * Takes away one fault after the other, and then time, as long as the same invariant breaks. Every kind of fault draws
 * from a generator of its own only in part, so taking one away is another execution: often a shorter one.
 */
export async function shrink(
  world: World,
  seed: number,
  invariant: Invariant,
  {
    without: left = [],
    seconds: span = SECONDS,
    storage = 'fs',
  }: Pick<Options, 'without' | 'seconds' | 'storage'> = {},
  run: typeof runWorld = runWorld,
): Promise<Shrunk> {
  const outcome = await run(world, seed, { without: left, seconds: span, storage });
  let best: Shrunk = { world, seed, storage, without: left, seconds: span, outcome };
  const attempt = async (without: readonly Fault[], seconds: number): Promise<boolean> => {
    const smaller = await run(world, seed, { without, seconds, storage });
    const breaks = smaller.violation?.invariant === invariant;
    if (breaks) best = { world, seed, storage, without, seconds, outcome: smaller };
    return breaks;
  };
  for (const fault of [...FAULTS, ...NODE_FAULTS]) {
    if (best.outcome.mix.strength[fault] > 0) await attempt([...best.without, fault], best.seconds);
  }
  while (best.seconds > 1 && (await attempt(best.without, Math.ceil(best.seconds / 2)))) continue;
  return best;
}

export function replayCommand({ world, seed, storage, without, seconds }: Shrunk): string {
  const flags = [
    ...(world === 'fast' ? [] : [`--world ${world}`]),
    ...(storage === 'fs' ? [] : [`--storage ${storage}`]),
    `--seed ${seed}`,
    ...(without.length > 0 ? [`--without ${without.join(',')}`] : []),
    ...(seconds === SECONDS ? [] : [`--seconds ${seconds}`]),
  ];
  return `pnpm sim ${flags.join(' ')} --trace`;
}
