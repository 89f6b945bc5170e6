import fc from 'fast-check';
import { Random } from '@kontiki/testing';
import { readCorpus } from './corpus.js';
import { Coverage } from './coverage.js';
import { execute } from './execute.js';
import { EDIT_KINDS, EDIT_RANGE, mutate, type Edit } from './mutate.js';
import type { Target } from './target.js';

/** Number of times that fast-check executes each property. */
const BATCH = 1_000;
const MAX_LENGTH = 4_096;
const MAX_EDITS = 6;

export interface Plan {
  readonly seed: number;
  readonly runs: number;
  readonly seconds: number;
  /** Called with each input before its execution. */
  readonly onInput: (input: Uint8Array) => void;
  /** Called when the target has accepted an input. */
  readonly onAccepted: () => void;
  /** Called with an input that reached new code. */
  readonly onFound: (input: Uint8Array) => void;
}

/** An input on which a target fails, reduced to a smaller input if possible. */
export interface Finding {
  readonly input: Uint8Array;
  readonly error: unknown;
}

function seedsFor(target: Target, valid: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...valid, ...readCorpus(target.name).values()];
}

/**
 * Generates inputs with fast-check. Some inputs are structured, and others are mutations of the
 * stored inputs.
 */
export async function runFastCheck(target: Target, plan: Plan): Promise<Finding | undefined> {
  const seeds = fc.constantFrom(...seedsFor(target, await target.seeds()));
  const number = fc.integer({ min: 0, max: EDIT_RANGE - 1 });
  const edit: fc.Arbitrary<Edit> = fc.tuple(fc.nat(EDIT_KINDS - 1), number, number, number);
  const { maxLength = MAX_LENGTH, structured } = target;
  const base = structured === undefined ? seeds : fc.oneof(seeds, structured);
  const mutated = fc
    .tuple(base, fc.array(edit, { minLength: 1, maxLength: MAX_EDITS }), seeds, fc.nat(7))
    .map(([input, edits, other, chance]) => {
      const bytes = mutate(input, edits, other, maxLength);
      if (chance > 0) target.repair?.(bytes);
      return bytes;
    });
  const input = fc.oneof(
    { weight: 6, arbitrary: mutated },
    ...(structured === undefined ? [] : [{ weight: 2, arbitrary: structured }]),
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );
  const property = fc.asyncProperty(input, async (bytes) => {
    plan.onInput(bytes);
    if (await execute(target, bytes)) plan.onAccepted();
  });
  const end = performance.now() + plan.seconds * 1_000;
  for (let done = 0; done < plan.runs && performance.now() < end; done += BATCH) {
    const numRuns = Math.min(BATCH, plan.runs - done);
    const timeLimit = Math.max(1, Math.min(end - performance.now(), 2 ** 31 - 1));
    const limit = { interruptAfterTimeLimit: timeLimit, markInterruptAsFailure: false };
    const result = await fc.check(property, { seed: plan.seed + done, numRuns, ...limit });
    if (result.failed && result.counterexample !== null)
      return { input: result.counterexample[0], error: result.errorInstance };
  }
  return undefined;
}

/**
 * Number of inputs to run between two measurements of coverage. A measurement takes longer than
 * most executions.
 */
const GROUP = 32;

/**
 * Searches for inputs that reach new code. Mutates stored inputs, and stores a mutated input if it
 * reaches a block for the first time.
 */
export async function runGuided(target: Target, plan: Plan): Promise<Finding | undefined> {
  const random = new Random(plan.seed, target.name);
  const number = (): number => random.below(EDIT_RANGE);
  const pool = [...seedsFor(target, await target.seeds())];
  const coverage = new Coverage();
  const run = async (input: Uint8Array): Promise<Finding | undefined> => {
    plan.onInput(input);
    try {
      if (await execute(target, input)) plan.onAccepted();
      return undefined;
    } catch (error) {
      return { input, error };
    }
  };
  for (const input of pool) {
    const finding = await run(input);
    if (finding !== undefined) return finding;
  }
  coverage.take();
  const end = performance.now() + plan.seconds * 1_000;
  for (let done = 0; done < plan.runs && performance.now() < end; done += GROUP) {
    const inputs = Array.from({ length: Math.min(GROUP, plan.runs - done) }, () => {
      const edits = Array.from({ length: 1 + random.below(MAX_EDITS) }, (): Edit => [
        random.below(EDIT_KINDS),
        number(),
        number(),
        number(),
      ]);
      // Newer inputs reach newer code, so they are chosen more often.
      const base = random.chance(0.5) ? random.pick(pool) : random.pick(pool.slice(-GROUP));
      const input = mutate(base, edits, random.pick(pool), target.maxLength ?? MAX_LENGTH);
      if (random.chance(0.9)) target.repair?.(input);
      return input;
    });
    for (const input of inputs) {
      const finding = await run(input);
      if (finding !== undefined) return finding;
    }
    const fresh = coverage.take();
    if (fresh.size === 0) continue;
    // Some input of the group has reached new code. Run the inputs again, one by one, to find out
    // which.
    for (const input of inputs) {
      const finding = await run(input);
      if (finding !== undefined) return finding;
      if (!coverage.reaches(fresh)) continue;
      pool.push(input);
      plan.onFound(input);
    }
  }
  return undefined;
}
