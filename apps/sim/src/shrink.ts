import { ALL_FAULTS, type Fault, type Invariant, type Outcome } from '@kontiki/testing';
import { COMMAND } from './command.js';
import { runWorld, SECONDS, type Options, type Storage, type World } from './worlds.js';

/** The smallest failing world that was found, with its settings and outcome. */
export interface Shrunk {
  readonly world: World;
  readonly seed: number;
  readonly storage: Storage;
  readonly without: readonly Fault[];
  readonly seconds: number;
  readonly outcome: Outcome;
}

/**
 * Shrinks a failing world. First disables one fault after another, then halves the duration, as
 * long as the world violates the same invariant. Faults share some random draws, so disabling a
 * fault leads to a different and often shorter execution.
 */
export async function shrink(
  world: World,
  seed: number,
  invariant: Invariant,
  {
    without: initialWithout = [],
    seconds: initialSeconds = SECONDS,
    storage = 'fs',
  }: Pick<Options, 'without' | 'seconds' | 'storage'> = {},
  run: typeof runWorld = runWorld,
): Promise<Shrunk> {
  const outcome = await run(world, seed, { without: initialWithout, seconds: initialSeconds, storage });
  let best: Shrunk = { world, seed, storage, without: initialWithout, seconds: initialSeconds, outcome };
  const attempt = async (without: readonly Fault[], seconds: number): Promise<boolean> => {
    const smaller = await run(world, seed, { without, seconds, storage });
    const fails = smaller.violation?.invariant === invariant;
    if (fails) best = { world, seed, storage, without, seconds, outcome: smaller };
    return fails;
  };
  for (const fault of ALL_FAULTS) {
    if (best.outcome.mix.strength[fault] > 0) await attempt([...best.without, fault], best.seconds);
  }
  while (best.seconds > 1 && (await attempt(best.without, Math.ceil(best.seconds / 2)))) continue;
  return best;
}

/** Returns the command that replays a world and prints its events. */
export function replayCommand({ world, seed, storage, without, seconds }: Shrunk): string {
  const flags = [
    ...(world === 'fast' ? [] : [`--world ${world}`]),
    ...(storage === 'fs' ? [] : [`--storage ${storage}`]),
    `--seed ${seed}`,
    ...(without.length > 0 ? [`--without ${without.join(',')}`] : []),
    ...(seconds === SECONDS ? [] : [`--seconds ${seconds}`]),
  ];
  return `${COMMAND} ${flags.join(' ')} --trace`;
}
