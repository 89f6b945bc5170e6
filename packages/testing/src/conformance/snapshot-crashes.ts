import type { SnapshotStore, SnapshotWriter } from '@kontiki/core';
import { Random } from '../random.js';
import type { Crash } from '../simulated-disk.js';
import { unlessCrashed } from './crashing.js';
import { withAbility, type MediumWith } from './medium.js';
import { owner, sampleAt, save, stateError, type Sample } from './snapshot-samples.js';
import type { StoreSuite } from './store-context.js';

const KINDS: readonly Crash[] = ['process', 'power'];

/** Number of operations after the start of a recovery at which a second crash is tried. */
const RECOVERY = 12;

/**
 * A step of a script: a call on the snapshot at an index. `write` writes up to a fraction of the
 * snapshot's bytes, where 1 stands for all bytes. `startSync` does not await the sync, so it runs
 * in parallel with the next steps of this snapshot.
 */
type Step =
  | { readonly kind: 'create' | 'sync' | 'startSync' | 'finish' | 'abort' | 'remove'; readonly index: number }
  | { readonly kind: 'write'; readonly index: number; readonly part: number };

const fixed: readonly Step[] = [
  ...snapshotSteps(10, [0.3, 1]),
  ...snapshotSteps(999, [0.02, 0.5, 0.8, 1]),
  { kind: 'create', index: 1_000 },
  { kind: 'write', index: 1_000, part: 0.4 },
  { kind: 'sync', index: 1_000 },
  { kind: 'abort', index: 1_000 },
  { kind: 'remove', index: 10 },
  ...snapshotSteps(1_001, [1]),
  { kind: 'create', index: 1_500 },
  ...[0.2, 0.5, 0.7, 1].flatMap((part): Step[] => [
    { kind: 'write', index: 1_500, part },
    { kind: 'startSync', index: 1_500 },
  ]),
  { kind: 'finish', index: 1_500 },
  { kind: 'remove', index: 999 },
  ...snapshotSteps(20_000, [0.3, 0.6, 0.9]).filter(({ kind }) => kind !== 'finish'),
];

/**
 * Returns steps that write a snapshot part by part, sync after each part, and finish the snapshot.
 */
function snapshotSteps(index: number, parts: readonly number[]): Step[] {
  const written = parts.flatMap((part): Step[] => [
    { kind: 'write', index, part },
    { kind: 'sync', index },
  ]);
  return [{ kind: 'create', index }, ...written, { kind: 'finish', index }];
}

function drawScript(random: Random): Step[] {
  const steps: Step[] = [];
  const finished: number[] = [];
  for (let index = 1 + random.below(5); steps.length < 40; index += 1 + random.below(1_000)) {
    steps.push({ kind: 'create', index });
    for (let part = random.next(); part < 1; part += random.next()) {
      steps.push({ kind: 'write', index, part });
      if (random.chance(0.5)) steps.push({ kind: random.chance(0.5) ? 'sync' : 'startSync', index });
    }
    if (random.chance(0.2)) steps.push({ kind: 'abort', index });
    else {
      steps.push({ kind: 'write', index, part: 1 }, { kind: 'finish', index });
      finished.push(index);
    }
    if (random.chance(0.4))
      for (const old of finished.splice(0, random.below(finished.length + 1)))
        steps.push({ kind: 'remove', index: old });
  }
  return steps;
}

/** What the store guarantees for one snapshot. */
interface Guarantee {
  readonly sample: Sample;
  /**
   * True if the snapshot must be listed, false if it must not be listed, and undefined if both are
   * allowed.
   */
  listed: boolean | undefined;
  /** The lowest offset at which the unfinished snapshot may resume. */
  synced: number;
  /** Number of bytes of the snapshot that have been passed to `write`. */
  written: number;
  /** Promise returned by the latest sync of the snapshot. */
  syncing: Promise<void>;
}

function guarantee(sample: Sample, listed = false): Guarantee {
  return { sample, listed, synced: 0, written: 0, syncing: Promise.resolve() };
}

/**
 * The guarantees that follow from the calls so far. A call in progress may or may not have taken
 * effect.
 */
class Guarantees {
  readonly byIndex = new Map<number, Guarantee>();

  async carryOut(store: SnapshotStore, writers: Map<number, SnapshotWriter>, step: Step): Promise<void> {
    const snapshot = this.byIndex.get(step.index) as Guarantee;
    const { meta, bytes } = snapshot.sample;
    const writer = writers.get(step.index) as SnapshotWriter;
    switch (step.kind) {
      case 'create':
        for (const other of this.byIndex.values()) other.synced = 0;
        writers.set(step.index, await store.create(meta));
        return;
      case 'write':
        snapshot.written = Math.ceil(step.part * bytes.length);
        return writer.write(bytes.slice(writer.offset, snapshot.written));
      case 'sync':
      case 'startSync': {
        await snapshot.syncing;
        const { offset } = writer;
        snapshot.syncing = writer.sync().then(() => void (snapshot.synced = offset));
        return step.kind === 'sync' ? snapshot.syncing : undefined;
      }
      case 'finish':
        await snapshot.syncing;
        [snapshot.listed, snapshot.synced] = [undefined, 0];
        await writer.finish();
        snapshot.listed = true;
        return;
      case 'abort':
        await snapshot.syncing;
        snapshot.synced = 0;
        return writer.abort();
      case 'remove':
        snapshot.listed = undefined;
        await store.remove(meta.id);
        snapshot.listed = false;
        return;
    }
  }
}

/**
 * Crashes a store before each operation of its medium, one operation per run. Each run executes a
 * script on a new medium. The last run is the one whose script ends without a crash. Returns the
 * first error found.
 *
 * After each crash, opens the store, which must list the guaranteed snapshots with all their bytes.
 * Then cuts the power and opens the store again. All snapshots listed the first time must still
 * exist. In half of the cases, another crash interrupts the first open. Finally, every unfinished
 * snapshot must resume after its synced bytes.
 */
export async function crashEverywhere(
  suite: StoreSuite<SnapshotStore>,
  kind: Crash,
  seed: number,
): Promise<string | undefined> {
  const script = seed === 0 ? fixed : drawScript(new Random(seed, 'script'));
  const samples = new Map<number, Sample>();
  for (const { index } of script)
    samples.set(index, samples.get(index) ?? (await sampleAt(index, 100 + (index % 3_000))));
  for (let operation = 1; ; operation += 1) {
    const random = new Random(seed * 100_000 + operation, kind);
    const medium = withAbility(await suite.medium(random.next), 'crash');
    try {
      const guarantees = new Guarantees();
      for (const [index, sample] of samples) {
        guarantees.byIndex.set(index, guarantee(sample));
      }
      const ended = await runUntilCrash(medium, guarantees, script, operation, kind);
      if (ended === true) return undefined;
      const wrong = ended ?? (await checkAfterCrash(medium, guarantees, random));
      if (wrong !== undefined) return `seed ${seed}, ${kind} crash before operation ${operation}: ${wrong}`;
    } finally {
      await medium.remove?.();
    }
  }
}

/**
 * Returns undefined after a crash, true if the script ended without one, and an error if a call
 * failed.
 */
async function runUntilCrash(
  medium: MediumWith<SnapshotStore, 'crash'>,
  guarantees: Guarantees,
  script: readonly Step[],
  operation: number,
  kind: Crash,
): Promise<true | string | undefined> {
  const crash = medium.crashAt(operation, kind);
  const store = medium.store();
  const run = async (): Promise<true> => {
    const writers = new Map<number, SnapshotWriter>();
    await store.open(owner);
    for (const step of script) await guarantees.carryOut(store, writers, step);
    await store.close();
    return true;
  };
  return unlessCrashed(crash, run()).catch(
    (error: unknown) => `a run without a crash fails: ${(error as Error).message}`,
  );
}

/**
 * Opens and checks the store after a crash, as described at `crashEverywhere`. Returns the first
 * error found.
 */
async function checkAfterCrash(
  medium: MediumWith<SnapshotStore, 'crash'>,
  guarantees: Guarantees,
  random: Random,
): Promise<string | undefined> {
  if (random.chance(0.5)) {
    const crash = medium.crashAt(1 + random.below(RECOVERY), random.pick(KINDS));
    const wrong = await unlessCrashed(crash, checkListed(medium.store(), guarantees)).catch(failure);
    if (wrong !== undefined) return `after the crash: ${wrong}`;
    medium.crash(random.pick(KINDS));
  }
  for (const when of ['after the crash', 'after a power cut that followed the first open']) {
    const wrong = await checkListed(medium.store(), guarantees).catch(failure);
    if (wrong !== undefined) return `${when}: ${wrong}`;
    medium.crash('power');
  }
  return checkResume(medium, guarantees).catch(failure);
}

function failure(error: unknown): string {
  return `the store fails: ${(error as Error).message}`;
}

/**
 * Opens the store and checks the listed snapshots. Returns the first error found. From then on, the
 * store must list exactly these snapshots.
 */
async function checkListed(store: SnapshotStore, { byIndex }: Guarantees): Promise<string | undefined> {
  await store.open(owner);
  const ids = new Set((await store.list()).map(({ id }) => id));
  for (const snapshot of byIndex.values()) {
    const { meta } = snapshot.sample;
    const listed = ids.delete(meta.id);
    if (snapshot.listed !== undefined && listed !== snapshot.listed) {
      return `the snapshot at ${meta.last.index} is ${listed ? '' : 'not '}listed`;
    }
    snapshot.listed = listed;
    const wrong = listed ? await stateError(store, snapshot.sample) : undefined;
    if (wrong !== undefined) return wrong;
  }
  return ids.size > 0 ? `the store lists ${[...ids].join()}, which were never written` : undefined;
}

/**
 * Resumes and finishes the unfinished snapshots. Then checks that a power cut loses no snapshot.
 */
async function checkResume(
  medium: MediumWith<SnapshotStore, 'crash'>,
  guarantees: Guarantees,
): Promise<string | undefined> {
  const store = medium.store();
  await store.open(owner);
  const unfinished = [...guarantees.byIndex.values()].filter(({ written, listed }) => written > 0 && listed === false);
  // `create` discards all other unfinished snapshots, so start with the one that must resume.
  unfinished.sort((a, b) => b.synced - a.synced);
  for (const snapshot of unfinished) {
    const { sample, synced, written } = snapshot;
    const writer = await store.create(sample.meta);
    if (writer.offset < synced || writer.offset > written) {
      return `the snapshot at ${sample.meta.last.index} resumes at ${writer.offset}; ${written} bytes were written, and ${synced} synced`;
    }
    await writer.write(sample.bytes.slice(writer.offset));
    await writer.finish();
    snapshot.listed = true;
  }
  const last = await sampleAt(1_000_000);
  await save(store, last);
  guarantees.byIndex.set(1_000_000, guarantee(last, true));
  medium.crash('power');
  const wrong = await checkListed(medium.store(), guarantees);
  return wrong === undefined ? undefined : `after more snapshots and a power cut: ${wrong}`;
}
