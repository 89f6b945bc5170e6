import type { CommandEntry, StateMachine } from '@kontiki/core';
import { Random } from '../random.js';
import { withFakeGlobals } from './fake-globals.js';
import { owner } from './log-model.js';
import { canonical, plain } from './plain.js';
import { runnerOf, type TestFunctions } from './runner.js';

export interface StateMachineSuite<M extends StateMachine> {
  /** Stands in the titles. */
  readonly name: string;
  /** A new machine, blank. */
  readonly machine: () => M | Promise<M>;
  /** Commands to apply, in this order: every kind that there is, those that are refused too. The same at every call. */
  readonly commands: () => readonly Uint8Array[];
  /** All of a machine's state, as a value that can be compared. */
  readonly digest: (machine: M) => unknown;
  /** For a machine with a disk of its own, which has `open`: another machine on the same disk, after this one was stopped. */
  readonly reopen?: ((machine: M) => M | Promise<M>) | undefined;
}

/** Other ways to cut the same commands into batches. */
const CUTS = 20;

/** Registers tests of everything that the port `StateMachine` promises: above all that nothing but the commands and their order counts. */
export function testStateMachine<M extends StateMachine>(test: TestFunctions, suite: StateMachineSuite<M>): void {
  const { describe, it, expect } = runnerOf(test);

  describe(`${suite.name}, as a state machine`, () => {
    it('gives one result a command, and none for an empty batch', async () => {
      const machine = await blank(suite);
      const entries = entriesOf(suite);
      expect(entries.length > 0).toEqual(true);
      expect(plain(await machine.apply({ entries: [], through: 1 }))).toEqual([]);
      expect((await machine.apply({ entries, through: through(entries) })).length).toEqual(entries.length);
      expect(plain(await machine.apply({ entries: [], through: through(entries) + 1 }))).toEqual([]);
    });

    it('an empty batch changes nothing that can be seen', async () => {
      const machine = await blank(suite);
      const entries = entriesOf(suite);
      await machine.apply({ entries, through: through(entries) });
      const before = canonical(suite.digest(machine));
      await machine.apply({ entries: [], through: through(entries) + 5 });
      expect(canonical(suite.digest(machine))).toEqual(before);
    });

    it(`comes to the same results and the same state however the commands are cut into batches (${CUTS} ways)`, async () => {
      const due = await run(suite, (left) => left);
      expect(await run(suite, () => 1)).toEqual(due);
      for (let seed = 0; seed < CUTS; seed += 1) {
        const random = new Random(seed, 'cuts');
        expect(await run(suite, (left) => random.below(Math.min(left, 8) + 1))).toEqual(due);
      }
    });

    it('comes to the same results and the same state at another time and with other random numbers', async () => {
      const due = await withFakeGlobals(1, () => run(suite, () => 3));
      expect(await withFakeGlobals(2, () => run(suite, () => 3))).toEqual(due);
    });

    it('changes no command', async () => {
      const machine = await blank(suite);
      const entries = entriesOf(suite);
      await machine.apply({ entries, through: through(entries) });
      expect(plain(entries)).toEqual(plain(entriesOf(suite)));
    });

    const { reopen } = suite;
    if (reopen === undefined) return;

    it('opened reopen it holds the state of the index that it names, and goes on from there', async () => {
      const entries = entriesOf(suite);
      const due = await run(suite, (left) => left);
      for (let seed = 0; seed < CUTS; seed += 1) {
        const random = new Random(seed, 'open');
        const first = await suite.machine();
        expect(await first.open?.(owner)).toEqual(0);
        const end = random.below(entries.length + 1);
        await applyAll(first, entries.slice(0, end), () => 1 + random.below(5));
        const second = await reopen(first);
        const held = (await second.open?.(owner)) ?? -1;
        expect([held >= 0, held <= through(entries.slice(0, end))]).toEqual([true, true]);
        const prefix = await blank(suite);
        await applyAll(
          prefix,
          entries.filter(({ index }) => index <= held),
          () => 1,
        );
        expect(canonical(suite.digest(second))).toEqual(canonical(suite.digest(prefix)));
        await applyAll(
          second,
          entries.filter(({ index }) => index > held),
          () => 4,
        );
        expect(canonical(suite.digest(second))).toEqual(due.state);
      }
    });
  });
}

async function blank<M extends StateMachine>({ machine }: StateMachineSuite<M>): Promise<M> {
  const made = await machine();
  await made.open?.(owner);
  return made;
}

/** Commands where they could stand in a log: entries that are none lie between them. */
function entriesOf({ commands }: Pick<StateMachineSuite<StateMachine>, 'commands'>): CommandEntry[] {
  const random = new Random(1, 'places');
  const at = { index: 1, term: 1 };
  return commands().map((data) => {
    at.index += random.chance(0.2) ? 2 : 1;
    at.term += random.chance(0.1) ? 1 : 0;
    return { kind: 'command', ...at, data };
  });
}

function through(entries: readonly CommandEntry[]): number {
  return entries.at(-1)?.index ?? 0;
}

/** Applies entries in batches, each as long as `cut` says of what is left; 0 is an empty batch. */
async function applyAll(
  machine: StateMachine,
  entries: readonly CommandEntry[],
  cut: (left: number) => number,
): Promise<unknown[]> {
  const results: unknown[] = [];
  let reached = 0;
  for (let at = 0; at < entries.length;) {
    const batch = entries.slice(at, at + cut(entries.length - at));
    at += batch.length;
    // Up to the next command, or to the last one of the batch.
    const next = entries[at]?.index ?? through(entries) + 1;
    reached = batch.length === 0 ? Math.max(reached, next - 1) : Math.max(through(batch), at % 2 === 0 ? next - 1 : 0);
    results.push(...(await machine.apply({ entries: batch, through: reached })));
  }
  return results;
}

/** The results of all commands, and the state after them, as text. */
async function run<M extends StateMachine>(
  suite: StateMachineSuite<M>,
  cut: (left: number) => number,
): Promise<{ results: string; state: string }> {
  const machine = await blank(suite);
  const results = canonical(await applyAll(machine, entriesOf(suite), cut));
  return { results, state: canonical(suite.digest(machine)) };
}
