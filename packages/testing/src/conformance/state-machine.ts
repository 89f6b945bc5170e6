import type { CommandEntry, StateMachine } from '@kontiki/core';
import { entriesLength, readEntries, Reader, writeEntries, Writer } from '@kontiki/core/wire';
import { Random } from '../random.js';
import { withFakeGlobals } from './fake-globals.js';
import { owner } from './log-model.js';
import { canonical, plain } from './plain.js';
import { runnerOf, type TestFunctions } from './runner.js';

export interface StateMachineSuite<M extends StateMachine> {
  /** The machine's name in test titles. */
  readonly name: string;
  /** Creates a blank machine. */
  readonly machine: () => M | Promise<M>;
  /**
   * Returns the commands to apply, in order. They should be of every kind, including commands that
   * the machine refuses. Every call must return equal commands.
   */
  readonly commands: () => readonly Uint8Array[];
  /** Returns a machine's whole state as a comparable value. */
  readonly digest: (machine: M) => unknown;
  /**
   * Creates a machine on the disk of a stopped machine. Needed only for machines with `open`, which
   * keep their state on a disk.
   */
  readonly reopen?: ((machine: M) => M | Promise<M>) | undefined;
}

/** Number of random ways to split the commands into batches. */
const CUTS = 20;

/**
 * Registers tests for all guarantees of the port `StateMachine`. A machine's results and state must
 * depend only on the commands and their order.
 */
export function testStateMachine<M extends StateMachine>(test: TestFunctions, suite: StateMachineSuite<M>): void {
  const { describe, it, expect } = runnerOf(test);

  describe(`${suite.name}, as a state machine`, () => {
    it('apply returns one result per command, and none for an empty batch', async () => {
      const machine = await blank(suite);
      const entries = entriesOf(suite);
      expect(entries.length > 0).toEqual(true);
      expect(plain(await machine.apply({ entries: [], through: 1, time: 0 }))).toEqual([]);
      expect((await machine.apply({ entries, through: through(entries), time: 0 })).length).toEqual(entries.length);
      expect(plain(await machine.apply({ entries: [], through: through(entries) + 1, time: 0 }))).toEqual([]);
    });

    it('an empty batch does not change the state', async () => {
      const machine = await blank(suite);
      const entries = entriesOf(suite);
      await machine.apply({ entries, through: through(entries), time: 0 });
      const before = canonical(suite.digest(machine));
      await machine.apply({ entries: [], through: through(entries) + 5, time: 0 });
      expect(canonical(suite.digest(machine))).toEqual(before);
    });

    it(`apply produces the same results and state for all batch sizes (${CUTS} splits)`, async () => {
      const expected = await run(suite, (left) => left);
      expect(await run(suite, () => 1)).toEqual(expected);
      for (let seed = 0; seed < CUTS; seed += 1) {
        const random = new Random(seed, 'cuts');
        expect(await run(suite, (left) => random.below(Math.min(left, 8) + 1))).toEqual(expected);
      }
    });

    it('results and state do not depend on the time or on random numbers', async () => {
      const expected = await withFakeGlobals(1, () => run(suite, () => 3));
      expect(await withFakeGlobals(2, () => run(suite, () => 3))).toEqual(expected);
    });

    it('results and state are the same for commands as proposed and as decoded from a frame', async () => {
      const proposed = await run(suite, () => 3);
      expect(await run(suite, () => 3, decoded)).toEqual(proposed);
    });

    const { reopen } = suite;
    if (reopen === undefined) return;

    it('a reopened machine has the state at the index that open returns', async () => {
      const entries = entriesOf(suite);
      const expected = await run(suite, (left) => left);
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
        expect(canonical(suite.digest(second))).toEqual(expected.state);
      }
    });
  });
}

async function blank<M extends StateMachine>({ machine }: StateMachineSuite<M>): Promise<M> {
  const made = await machine();
  await made.open?.(owner);
  return made;
}

/**
 * Returns the commands as log entries. A gap in the indices stands for an entry that is not a
 * command.
 */
function entriesOf({ commands }: Pick<StateMachineSuite<StateMachine>, 'commands'>): CommandEntry[] {
  const random = new Random(1, 'places');
  const at = { index: 1, term: 1 };
  return commands().map((data) => {
    at.index += random.chance(0.2) ? 2 : 1;
    at.term += random.chance(0.1) ? 1 : 0;
    // A node passes plain Uint8Arrays to the machine, even if a Buffer was proposed.
    return { kind: 'command', ...at, data: new Uint8Array(data) };
  });
}

/** Returns entries whose data is decoded as on a follower: views of part of a larger buffer. */
function decoded(entries: CommandEntry[]): CommandEntry[] {
  return entries.map((entry) => {
    const writer = new Writer(entriesLength([entry]));
    writeEntries(writer, [entry]);
    const [copy] = readEntries(new Reader(writer.bytes), entry.index, 0) as [CommandEntry];
    return copy;
  });
}

function through(entries: readonly CommandEntry[]): number {
  return entries.at(-1)?.index ?? 0;
}

/**
 * Applies entries in batches. `cut` is called with the number of remaining entries and returns the
 * next batch size, which may be 0.
 */
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
    // A batch ends at its last command or just before the next command.
    const next = entries[at]?.index ?? through(entries) + 1;
    reached = batch.length === 0 ? Math.max(reached, next - 1) : Math.max(through(batch), at % 2 === 0 ? next - 1 : 0);
    results.push(...(await machine.apply({ entries: batch, through: reached, time: 0 })));
  }
  return results;
}

/** Applies all commands. Returns the results and the final state, as text. */
async function run<M extends StateMachine>(
  suite: StateMachineSuite<M>,
  cut: (left: number) => number,
  as: (entries: CommandEntry[]) => CommandEntry[] = (entries) => entries,
): Promise<{ results: string; state: string }> {
  const machine = await blank(suite);
  const results = canonical(await applyAll(machine, as(entriesOf(suite)), cut));
  return { results, state: canonical(suite.digest(machine)) };
}
