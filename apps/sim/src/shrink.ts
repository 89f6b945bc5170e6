import { FAULTS, runFastWorld, type Fault, type Invariant, type Outcome, type WorldOptions } from '@kontiki/testing';

/** Simulated seconds of a world, unless somebody says otherwise. */
export const SECONDS = 20;

/** The smallest world that still breaks: how to replay it, and how it ended. */
export interface Shrunk {
  readonly seed: number;
  readonly without: readonly Fault[];
  readonly seconds: number;
  readonly outcome: Outcome;
}

/**
 * Takes away one fault after the other, and then time, as long as the same invariant breaks. Every kind of fault draws
 * from a generator of its own only in part, so taking one away is another execution: often a shorter one.
 */
export function shrink(
  seed: number,
  invariant: Invariant,
  { without: left = [], seconds: span = SECONDS }: Pick<WorldOptions, 'without' | 'seconds'> = {},
  run: typeof runFastWorld = runFastWorld,
): Shrunk {
  let best: Shrunk = { seed, without: left, seconds: span, outcome: run(seed, { without: left, seconds: span }) };
  const attempt = (without: readonly Fault[], seconds: number): boolean => {
    const outcome = run(seed, { without, seconds });
    const breaks = outcome.violation?.invariant === invariant;
    if (breaks) best = { seed, without, seconds, outcome };
    return breaks;
  };
  for (const fault of FAULTS) {
    if (best.outcome.mix.strength[fault] > 0) attempt([...best.without, fault], best.seconds);
  }
  while (best.seconds > 1 && attempt(best.without, Math.ceil(best.seconds / 2))) continue;
  return best;
}

export function replayCommand({ seed, without, seconds }: Shrunk): string {
  const flags = [
    `--seed ${seed}`,
    ...(without.length > 0 ? [`--without ${without.join(',')}`] : []),
    ...(seconds === SECONDS ? [] : [`--seconds ${seconds}`]),
  ];
  return `pnpm sim ${flags.join(' ')} --trace`;
}
