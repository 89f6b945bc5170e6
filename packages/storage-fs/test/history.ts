import { membershipOf, type Ballot, type Entry, type LogBase, type LogState, type LogStore } from '@kontiki/core';
import { VirtualClock, type Crash, type SimulatedDisk } from '@kontiki/testing';
import { FileLog } from '../src/file-log.js';

export const owner = { cluster: 'test', server: 'a' };
export const membership = membershipOf(['a', 'b'].map((id) => [id, { address: `ws://${id}`, metadata: '' }]));

export function command(index: number, term: number, length = 20): Entry {
  return { kind: 'command', index, term, data: new Uint8Array(length).fill(index & 0xff) };
}

export const first: Entry = { kind: 'membership', index: 1, term: 1, membership };

export type Call =
  | { readonly kind: 'append'; readonly ballot?: Ballot; readonly entries?: Entry[]; readonly committed?: number }
  | { readonly kind: 'reset' | 'compact'; readonly base: LogBase };

/** What a log must hold after some calls. */
export interface Model {
  ballot: Ballot | undefined;
  base: LogBase;
  entries: Entry[];
}

const base = (index: number, term: number): LogBase => ({
  index,
  term,
  membership: { index: 1, membership },
  origin: 7,
});

/** Groups of calls: those of a group overlap, each group waits for the one before. */
export const script: Call[][] = [
  [{ kind: 'append', entries: [first], committed: 1 }],
  [{ kind: 'append', ballot: { term: 2, votedFor: 'b' } }],
  [
    { kind: 'append', entries: [command(2, 2), command(3, 2)] },
    { kind: 'append', entries: [command(4, 2), command(5, 2)], committed: 2 },
    { kind: 'append', ballot: { term: 3, votedFor: undefined }, entries: [command(4, 3)] },
  ],
  [{ kind: 'append', entries: [command(3, 3), command(4, 3), command(5, 3)] }],
  [
    { kind: 'append', entries: [command(6, 3, 300)] },
    { kind: 'append', entries: [command(7, 3, 700)] },
  ],
  [
    { kind: 'compact', base: base(4, 3) },
    { kind: 'append', entries: [command(8, 3), command(9, 3)] },
  ],
  [{ kind: 'append', ballot: { term: 4, votedFor: 'a' }, entries: [command(8, 4)], committed: 7 }],
  [{ kind: 'append', entries: [{ kind: 'membership', index: 9, term: 4, membership }, command(10, 4)] }],
  [{ kind: 'compact', base: base(8, 4) }],
  [
    { kind: 'reset', base: base(20, 4) },
    { kind: 'append', entries: [command(21, 4), { kind: 'noop', index: 22, term: 5 }] },
  ],
  [{ kind: 'append', entries: [command(23, 5, 200)] }],
  [{ kind: 'append', ballot: { term: 6, votedFor: undefined } }],
  [{ kind: 'append', entries: [command(23, 6), command(24, 6)] }],
];

function call(log: LogStore, { kind, ...rest }: Call): Promise<void> {
  return (log[kind] as (argument: unknown) => Promise<void>)('base' in rest ? rest.base : rest);
}

/** The models after each number of calls. */
export function models(calls: readonly Call[]): Model[] {
  let model: Model = {
    ballot: undefined,
    base: { index: 0, term: 0, membership: undefined, origin: undefined },
    entries: [],
  };
  return [
    model,
    ...calls.map((c) => {
      if (c.kind === 'append') {
        const from = c.entries?.[0]?.index ?? Infinity;
        const kept = model.entries.filter(({ index }) => index < from);
        model = { ...model, ballot: c.ballot ?? model.ballot, entries: [...kept, ...(c.entries ?? [])] };
      } else if (c.kind === 'reset') model = { ...model, base: c.base, entries: [] };
      else model = { ...model, base: c.base, entries: model.entries.filter(({ index }) => index > c.base.index) };
      return model;
    }),
  ];
}

/** A log on a simulated disk, in the life that is now; small segments, so that it has several. */
export function openLog(disk: SimulatedDisk, segmentBytes = 700): FileLog {
  return new FileLog(disk.folder, { segmentBytes, clock: new VirtualClock(), random: () => 0.5 });
}

/** Everything a log holds, in the model's form. */
export async function holdings(log: FileLog, state: LogState): Promise<Model> {
  const entries = state.last > state.base.index ? await log.read(state.base.index + 1, state.last, Infinity) : [];
  return { ballot: state.ballot, base: state.base, entries };
}

/** Why a log does not hold one of these models; undefined if it does. */
export function difference(held: Model, state: LogState, allowed: readonly Model[]): string | undefined {
  const simple = ({ ballot, base: { index, term }, entries }: Model): string =>
    JSON.stringify([
      ballot?.term,
      ballot?.votedFor,
      index,
      term,
      entries.map((e) => [e.index, e.term, e.kind, e.kind === 'command' && e.data.length]),
    ]);
  const model = allowed.find((one) => simple(one) === simple(held));
  if (model === undefined) return `holds ${simple(held)}, which is none of\n${allowed.map(simple).join('\n')}`;
  const terms = model.entries.filter((e, i) => e.term !== (model.entries[i - 1]?.term ?? model.base.term));
  if (
    JSON.stringify(terms.map(({ index, term }) => [index, term])) !==
    JSON.stringify(state.terms.map(({ index, term }) => [index, term]))
  )
    return 'reports other terms';
  const memberships = model.entries.filter(({ kind }) => kind === 'membership').map(({ index }) => index);
  if (JSON.stringify(memberships) !== JSON.stringify(state.memberships.map(({ index }) => index)))
    return 'reports other memberships';
  return undefined;
}

export interface Crashed {
  /** Calls that had resolved, and that had begun, when it crashed. */
  readonly resolved: number;
  readonly begun: number;
  readonly ended: boolean;
}

/** Runs the script until it ends or the disk crashes at an operation. */
export async function runUntilCrash(disk: SimulatedDisk, operation: number, kind: Crash): Promise<Crashed> {
  let crashed = (): void => {};
  const crash = new Promise<'crashed'>((resolve) => (crashed = (): void => resolve('crashed')));
  disk.onCrash = crashed;
  disk.crashAt = { operation, kind };
  const log = openLog(disk);
  let [resolved, begun] = [0, 0];
  const run = async (): Promise<'ended'> => {
    await log.open(owner);
    for (const group of script) {
      begun += group.length;
      await Promise.all(group.map((c) => call(log, c).then(() => (resolved += 1))));
    }
    return 'ended';
  };
  const end = await Promise.race([run(), crash]);
  disk.crashAt = undefined;
  return { resolved, begun, ended: end === 'ended' };
}
