import type { LogStore } from '@kontiki/core';
import { Random } from '../random.js';
import type { Crash } from '../simulated-disk.js';
import { unlessCrashed } from './crashing.js';
import type { LogStoreSuite } from './log-context.js';
import { withAbility, type MediumWith, type Medium } from './medium.js';
import { carryOut, difference, lastOf, models, owner, survivors, type Look, type Model } from './log-model.js';
import { drawScript, script as fixed, type Script } from './log-script.js';

const KINDS: readonly Crash[] = ['process', 'power'];

/** The highest operation before which a recovery is interrupted. */
const RECOVERY = 12;

/**
 * Crashes a run at every operation. After each crash the log is opened, in half of the cases with another crash
 * during that, then the power is cut at once, and it is opened again: each time it must hold what `survivors` says, and
 * after the power cut no less than was reported before. Returns the first thing that is wrong.
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
      const allowed = survivors(states, run.resolved, run.begun);
      const wrong = run.wrong ?? (await lookAfter(withAbility(medium, 'crash'), allowed, random));
      if (wrong === undefined) continue;
      return `seed ${seed}, ${kind} crash before operation ${operation}, ${run.resolved} of ${run.begun} calls resolved: ${wrong}`;
    } finally {
      await medium.remove?.();
    }
  }
}

interface Run {
  /** Calls that had resolved, and that had begun, when it crashed. */
  readonly resolved: number;
  readonly begun: number;
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
  let [resolved, begun] = [0, 0];
  const run = async (): Promise<'ended'> => {
    await store.open(owner);
    for (const group of script) {
      begun += group.length;
      await Promise.all(group.map((call) => carryOut(store, call).then(() => (resolved += 1))));
    }
    await store.close();
    return 'ended';
  };
  const end = await unlessCrashed(crash, run()).catch((error: unknown) => error as Error);
  const failed = end instanceof Error;
  return {
    resolved,
    begun,
    ended: end !== undefined,
    wrong: failed ? `a run without a crash fails: ${end.message}` : undefined,
  };
}

async function lookAfter(
  medium: MediumWith<LogStore, 'crash'>,
  after: readonly Model[],
  random: Random,
): Promise<string | undefined> {
  let allowed = after;
  if (random.chance(0.5)) {
    const crash = medium.crashAt(1 + random.below(RECOVERY), random.pick(KINDS));
    const found = await unlessCrashed(crash, difference(medium.store(), allowed)).catch(failure);
    if (found?.wrong !== undefined) return `opened again: ${found.wrong}`;
    if (found?.model !== undefined) allowed = [found.model];
    medium.crash(random.pick(KINDS));
  }
  for (const opened of ['opened again', 'opened again after the power was cut when open had resolved']) {
    const found = await look(medium, allowed);
    if (found.wrong !== undefined) return `${opened}: ${found.wrong}`;
    allowed = [found.model as Model];
    medium.crash('power');
  }
  return goesOn(medium, allowed[0] as Model);
}

function look(medium: Medium<LogStore>, allowed: readonly Model[]): Promise<Look> {
  return difference(medium.store(), allowed).catch(failure);
}

function failure(error: unknown): Look {
  return { wrong: `it fails: ${(error as Error).message}` };
}

/** What is written now is there after the next start. */
async function goesOn(medium: MediumWith<LogStore, 'crash'>, model: Model): Promise<string | undefined> {
  const ballot = { term: 1_000, votedFor: 'b' };
  const entry = { kind: 'noop', index: lastOf(model) + 1, term: 1_000 } as const;
  const store = medium.store();
  await store.open(owner);
  await store.append({ ballot, entries: [entry] });
  medium.crash('power');
  const { wrong } = await look(medium, [{ ...model, ballot, entries: [...model.entries, entry] }]);
  return wrong === undefined ? undefined : `opened again after another write: ${wrong}`;
}
