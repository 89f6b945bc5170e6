import type { SnapshotStore, SnapshotWriter } from '@kontiki/core';
import { Random } from '../random.js';
import type { Crash } from '../simulated-disk.js';
import { unlessCrashed } from './crashing.js';
import { withAbility, type MediumWith } from './medium.js';
import { owner, sampleAt, save, unlike, type Sample } from './snapshot-samples.js';
import type { StoreSuite } from './store-context.js';

const KINDS: readonly Crash[] = ['process', 'power'];

/** The highest operation before which a recovery is interrupted. */
const RECOVERY = 12;

/**
 * A call of a script; a snapshot is named by its index. `write` writes up to that part of it; a `beginSync` goes on beside
 * what follows, until the next sync or the end.
 */
type Step =
  | { readonly kind: 'create' | 'sync' | 'beginSync' | 'finish' | 'abort' | 'remove'; readonly index: number }
  | { readonly kind: 'write'; readonly index: number; readonly part: number };

const fixed: readonly Step[] = [
  ...taken(10, [0.3, 1]),
  ...taken(999, [0.02, 0.5, 0.8, 1]),
  { kind: 'create', index: 1_000 },
  { kind: 'write', index: 1_000, part: 0.4 },
  { kind: 'sync', index: 1_000 },
  { kind: 'abort', index: 1_000 },
  { kind: 'remove', index: 10 },
  ...taken(1_001, [1]),
  { kind: 'create', index: 1_500 },
  ...[0.2, 0.5, 0.7, 1].flatMap((part): Step[] => [
    { kind: 'write', index: 1_500, part },
    { kind: 'beginSync', index: 1_500 },
  ]),
  { kind: 'finish', index: 1_500 },
  { kind: 'remove', index: 999 },
  ...taken(20_000, [0.3, 0.6, 0.9]).filter(({ kind }) => kind !== 'finish'),
];

/** A snapshot written part by part, synced after each. */
function taken(index: number, parts: readonly number[]): Step[] {
  const written = parts.flatMap((part): Step[] => [
    { kind: 'write', index, part },
    { kind: 'sync', index },
  ]);
  return [{ kind: 'create', index }, ...written, { kind: 'finish', index }];
}

function drawScript(random: Random): Step[] {
  const steps: Step[] = [];
  const there: number[] = [];
  for (let index = 1 + random.below(5); steps.length < 40; index += 1 + random.below(1_000)) {
    steps.push({ kind: 'create', index });
    for (let part = random.next(); part < 1; part += random.next()) {
      steps.push({ kind: 'write', index, part });
      if (random.chance(0.5)) steps.push({ kind: random.chance(0.5) ? 'sync' : 'beginSync', index });
    }
    if (random.chance(0.2)) steps.push({ kind: 'abort', index });
    else {
      steps.push({ kind: 'write', index, part: 1 }, { kind: 'finish', index });
      there.push(index);
    }
    if (random.chance(0.4))
      for (const old of there.splice(0, random.below(there.length + 1))) steps.push({ kind: 'remove', index: old });
  }
  return steps;
}

/** What may be known of one snapshot. */
interface Fate {
  readonly sample: Sample;
  /** Whether it must be listed; undefined when nobody can know. */
  listed: boolean | undefined;
  /** Bytes, when it is the unfinished one that must go on. */
  synced: number;
  written: number;
  /** The sync that goes on. */
  syncing: Promise<void>;
}

function begun(sample: Sample, listed = false): Fate {
  return { sample, listed, synced: 0, written: 0, syncing: Promise.resolve() };
}

/** What the calls so far have promised. A call that has begun and not ended may have had its effect. */
class Promised {
  readonly fates = new Map<number, Fate>();

  async carryOut(store: SnapshotStore, writers: Map<number, SnapshotWriter>, step: Step): Promise<void> {
    const fate = this.fates.get(step.index) as Fate;
    const { meta, bytes } = fate.sample;
    const writer = writers.get(step.index) as SnapshotWriter;
    switch (step.kind) {
      case 'create':
        for (const other of this.fates.values()) other.synced = 0;
        writers.set(step.index, await store.create(meta));
        return;
      case 'write':
        fate.written = Math.ceil(step.part * bytes.length);
        return writer.write(bytes.slice(writer.offset, fate.written));
      case 'sync':
      case 'beginSync': {
        await fate.syncing;
        const { offset } = writer;
        fate.syncing = writer.sync().then(() => void (fate.synced = offset));
        return step.kind === 'sync' ? fate.syncing : undefined;
      }
      case 'finish':
        await fate.syncing;
        [fate.listed, fate.synced] = [undefined, 0];
        await writer.finish();
        fate.listed = true;
        return;
      case 'abort':
        await fate.syncing;
        fate.synced = 0;
        return writer.abort();
      case 'remove':
        fate.listed = undefined;
        await store.remove(meta.id);
        fate.listed = false;
        return;
    }
  }
}

/**
 * Crashes a run at every operation. After each crash the store is opened, in half of the cases with another crash during
 * that, then the power is cut at once, and it is opened again: each time it must list what is promised, whole, and
 * after the power cut no less than before; then what was unfinished goes on behind what was synced. Returns the first
 * thing that is wrong.
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
      const promised = new Promised();
      for (const [index, sample] of samples) {
        promised.fates.set(index, begun(sample));
      }
      const ended = await runUntilCrash(medium, promised, script, operation, kind);
      if (ended === true) return undefined;
      const wrong = ended ?? (await lookAfter(medium, promised, random));
      if (wrong !== undefined) return `seed ${seed}, ${kind} crash before operation ${operation}: ${wrong}`;
    } finally {
      await medium.remove?.();
    }
  }
}

/** True when the script has ended before the crash; a text when it failed. */
async function runUntilCrash(
  medium: MediumWith<SnapshotStore, 'crash'>,
  promised: Promised,
  script: readonly Step[],
  operation: number,
  kind: Crash,
): Promise<true | string | undefined> {
  const crash = medium.crashAt(operation, kind);
  const store = medium.store();
  const run = async (): Promise<true> => {
    const writers = new Map<number, SnapshotWriter>();
    await store.open(owner);
    for (const step of script) await promised.carryOut(store, writers, step);
    await store.close();
    return true;
  };
  return unlessCrashed(crash, run()).catch(
    (error: unknown) => `a run without a crash fails: ${(error as Error).message}`,
  );
}

async function lookAfter(
  medium: MediumWith<SnapshotStore, 'crash'>,
  promised: Promised,
  random: Random,
): Promise<string | undefined> {
  if (random.chance(0.5)) {
    const crash = medium.crashAt(1 + random.below(RECOVERY), random.pick(KINDS));
    const wrong = await unlessCrashed(crash, look(medium.store(), promised)).catch(failure);
    if (wrong !== undefined) return `opened again: ${wrong}`;
    medium.crash(random.pick(KINDS));
  }
  for (const opened of ['opened again', 'opened again after the power was cut when open had resolved']) {
    const wrong = await look(medium.store(), promised).catch(failure);
    if (wrong !== undefined) return `${opened}: ${wrong}`;
    medium.crash('power');
  }
  return goesOn(medium, promised).catch(failure);
}

function failure(error: unknown): string {
  return `it fails: ${(error as Error).message}`;
}

/** What is wrong with what is listed. What it lists now it must list from now on. */
async function look(store: SnapshotStore, { fates }: Promised): Promise<string | undefined> {
  await store.open(owner);
  const ids = new Set((await store.list()).map(({ id }) => id));
  for (const fate of fates.values()) {
    const { meta } = fate.sample;
    const listed = ids.delete(meta.id);
    if (fate.listed !== undefined && listed !== fate.listed) {
      return `the snapshot at ${meta.last.index} is ${listed ? '' : 'not '}listed`;
    }
    fate.listed = listed;
    const wrong = listed ? await unlike(store, fate.sample) : undefined;
    if (wrong !== undefined) return wrong;
  }
  return ids.size > 0 ? `it lists ${[...ids].join()}, which nobody wrote` : undefined;
}

/** The unfinished one goes on and is finished; it and all that was listed are there after the next power cut. */
async function goesOn(medium: MediumWith<SnapshotStore, 'crash'>, promised: Promised): Promise<string | undefined> {
  const store = medium.store();
  await store.open(owner);
  const unfinished = [...promised.fates.values()].filter(({ written, listed }) => written > 0 && listed === false);
  // Creating one forgets the others, so the one that must go on comes first.
  unfinished.sort((a, b) => b.synced - a.synced);
  for (const fate of unfinished) {
    const { sample, synced, written } = fate;
    const writer = await store.create(sample.meta);
    if (writer.offset < synced || writer.offset > written) {
      return `the snapshot at ${sample.meta.last.index} goes on at ${writer.offset}; ${written} bytes were written, and ${synced} synced`;
    }
    await writer.write(sample.bytes.slice(writer.offset));
    await writer.finish();
    fate.listed = true;
  }
  const last = await sampleAt(1_000_000);
  await save(store, last);
  promised.fates.set(1_000_000, begun(last, true));
  medium.crash('power');
  const wrong = await look(medium.store(), promised);
  return wrong === undefined ? undefined : `opened again after more was written: ${wrong}`;
}
