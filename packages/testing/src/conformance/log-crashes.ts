import type { LogStore } from '@kontiki/core';
import { Random } from '../random.js';
import type { Crash } from '../simulated-disk.js';
import { unlessCrashed } from './crashing.js';
import type { LogStoreSuite } from './log-context.js';
import { withAbility, type MediumWith, type Medium } from './medium.js';
import { carryOut, difference, lastOf, models, owner, survivors, type Comparison, type Model } from './log-model.js';
import { drawScript, script as fixed, type Script } from './log-script.js';

const KINDS: readonly Crash[] = ['process', 'power'];

/** Number of operations after the start of a recovery at which a second crash is tried. */
const RECOVERY = 12;

/**
 * Crashes a store before each operation of its medium, one operation per run. Each run executes a
 * script on a new medium. The last run is the one whose script ends without a crash. Returns the
 * first error found.
 *
 * After each crash, opens the log and compares it with `survivors`. Then cuts the power and opens
 * the log again. All data that the first open reported must still exist, because `open` may report
 * only durable data. In half of the cases, another crash interrupts the first open.
 */
export async function crashEverywhere(suite: LogStoreSuite, kind: Crash, seed: number): Promise<string | undefined> {
  const script = seed === 0 ? fixed : drawScript(new Random(seed, 'script'));
  const states = models(script.flat());
  for (let operation = 1; ; operation += 1) {
    const random = new Random(seed * 100_000 + operation, kind);
    const medium = await suite.medium(random.next);
    try {
      const run = await runUntilCrash(withAbility(medium, 'crash'), script, operation, kind);
      if (run.ended) return run.wrong;
      const allowed = survivors(states, run.resolved, run.started);
      const wrong = run.wrong ?? (await checkAfterCrash(withAbility(medium, 'crash'), allowed, random));
      if (wrong === undefined) continue;
      return `seed ${seed}, ${kind} crash before operation ${operation}, ${run.resolved} of ${run.started} calls resolved: ${wrong}`;
    } finally {
      await medium.remove?.();
    }
  }
}

interface Run {
  /** Number of calls that had resolved before the crash. */
  readonly resolved: number;
  /** Number of calls that had been started before the crash. */
  readonly started: number;
  /** Whether the script ended without a crash. */
  readonly ended: boolean;
  readonly wrong?: string | undefined;
}

async function runUntilCrash(
  medium: MediumWith<LogStore, 'crash'>,
  script: Script,
  operation: number,
  kind: Crash,
): Promise<Run> {
  const crash = medium.crashAt(operation, kind);
  const store = medium.store();
  let [resolved, started] = [0, 0];
  const run = async (): Promise<'ended'> => {
    await store.open(owner);
    for (const group of script) {
      started += group.length;
      await Promise.all(group.map((call) => carryOut(store, call).then(() => (resolved += 1))));
    }
    await store.close();
    return 'ended';
  };
  const end = await unlessCrashed(crash, run()).catch((error: unknown) => error as Error);
  const failed = end instanceof Error;
  return {
    resolved,
    started,
    ended: end !== undefined,
    wrong: failed ? `a run without a crash fails: ${end.message}` : undefined,
  };
}

/**
 * Opens and checks the log after a crash, as described at `crashEverywhere`. Returns the first
 * error found.
 */
async function checkAfterCrash(
  medium: MediumWith<LogStore, 'crash'>,
  after: readonly Model[],
  random: Random,
): Promise<string | undefined> {
  let allowed = after;
  if (random.chance(0.5)) {
    const crash = medium.crashAt(1 + random.below(RECOVERY), random.pick(KINDS));
    const found = await unlessCrashed(crash, difference(medium.store(), allowed)).catch(failure);
    if (found?.wrong !== undefined) return `after the crash: ${found.wrong}`;
    if (found?.model !== undefined) allowed = [found.model];
    medium.crash(random.pick(KINDS));
  }
  for (const when of ['after the crash', 'after a power cut that followed the first open']) {
    const found = await compare(medium, allowed);
    if (found.wrong !== undefined) return `${when}: ${found.wrong}`;
    allowed = [found.model as Model];
    medium.crash('power');
  }
  return checkAppend(medium, allowed[0] as Model);
}

function compare(medium: Medium<LogStore>, allowed: readonly Model[]): Promise<Comparison> {
  return difference(medium.store(), allowed).catch(failure);
}

function failure(error: unknown): Comparison {
  return { wrong: `the log fails: ${(error as Error).message}` };
}

/** Appends to a recovered log, and checks that the entry survives a power cut. */
async function checkAppend(medium: MediumWith<LogStore, 'crash'>, model: Model): Promise<string | undefined> {
  const ballot = { term: 1_000, votedFor: 'b' };
  const entry = { kind: 'noop', index: lastOf(model) + 1, term: 1_000 } as const;
  const store = medium.store();
  await store.open(owner);
  await store.append({ ballot, entries: [entry] });
  medium.crash('power');
  const { wrong } = await compare(medium, [{ ...model, ballot, entries: [...model.entries, entry] }]);
  return wrong === undefined ? undefined : `after another append and a power cut: ${wrong}`;
}
