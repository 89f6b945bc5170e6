import {
  membershipOf,
  type Ballot,
  type Entry,
  type LogBase,
  type LogState,
  type LogStore,
  type LogWrite,
  type MembershipAt,
  type MembershipEntry,
  type Owner,
  type Position,
  type StoreLife,
} from '@kontiki/core';
import { genesisOf } from '@kontiki/core/wire';
import { canonical } from './plain.js';

export const owner: Owner = { cluster: 'conformance', server: 'a' };

const membership = membershipOf(
  ['a', 'b', 'c'].map((id) => [id, { address: `test://${id}:1`, metadata: `of ${id}` }] as const),
  ['c'],
);

/** The first entry of the cluster. The `genesis` of a base is the checksum of this entry. */
export const first: MembershipEntry = { kind: 'membership', index: 1, term: 1, membership };
const genesis: number = genesisOf(first);

export function command(index: number, term: number, length = 20): Entry {
  return { kind: 'command', index, term, data: new Uint8Array(length).fill((index * 31 + term) & 0xff) };
}

/** Returns commands at the indices `from` to `to`, all in one term. */
export function commands(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => command(from + i, term));
}

export function membershipEntry(index: number, term: number): Entry {
  return { kind: 'membership', index, term, membership };
}

/**
 * Returns a base whose newest membership comes from the entry at index `from`. By default, that is
 * the first entry.
 */
export function baseAt(index: number, term: number, from = 1): LogBase {
  return { index, term, membership: { index: from, membership }, genesis };
}

/** A call that changes a log. */
export type Call =
  | { readonly kind: 'append'; readonly write: LogWrite }
  | { readonly kind: 'reset' | 'compact'; readonly base: LogBase };

export function carryOut(store: LogStore, call: Call): Promise<void> {
  return call.kind === 'append' ? store.append(call.write) : store[call.kind](call.base);
}

/** The contents of a log. */
export interface Holdings {
  readonly ballot: Ballot | undefined;
  readonly life: StoreLife | undefined;
  readonly base: LogBase;
  readonly entries: readonly Entry[];
}

/** The contents that a log is expected to have after some calls. */
export interface Model extends Holdings {
  /** The highest commit index in the calls so far. */
  readonly committed: number;
  /** Number of resets of the log so far. */
  readonly resets: number;
  /**
   * All entries that the log has contained since its last reset, including those compacted since.
   */
  readonly all: readonly Entry[];
  /** All bases that the log has had since its last reset. */
  readonly bases: readonly LogBase[];
}

const beginning: LogBase = { index: 0, term: 0, membership: undefined, genesis: undefined };
const blank: Model = {
  ballot: undefined,
  life: undefined,
  base: beginning,
  entries: [],
  committed: 0,
  resets: 0,
  all: [],
  bases: [beginning],
};

/** Returns the models before the first call and after each call. */
export function models(calls: readonly Call[]): [Model, ...Model[]] {
  const list: [Model, ...Model[]] = [blank];
  for (const call of calls) list.push(after(list.at(-1) as Model, call));
  return list;
}

function after(model: Model, call: Call): Model {
  if (call.kind === 'append') {
    const { ballot = model.ballot, life = model.life, entries = [], committed = 0 } = call.write;
    const from = entries[0]?.index ?? Infinity;
    const replaced = (held: readonly Entry[]): Entry[] => [...held.filter(({ index }) => index < from), ...entries];
    return {
      ...model,
      ballot,
      life,
      entries: replaced(model.entries),
      all: replaced(model.all),
      committed: Math.max(model.committed, committed),
    };
  }
  const { base } = call;
  if (call.kind === 'reset') {
    return {
      ballot: model.ballot,
      life: model.life,
      base,
      entries: [],
      committed: base.index,
      resets: model.resets + 1,
      all: [],
      bases: [base],
    };
  }
  if (base.index <= model.base.index) return model;
  return {
    ...model,
    base,
    entries: model.entries.filter(({ index }) => index > base.index),
    committed: Math.max(model.committed, base.index),
    bases: [...model.bases, base],
  };
}

/**
 * Returns all contents that a log may have after a crash. The effects of a prefix of the calls
 * survive, and the prefix contains every resolved call. A store may compact its data later than
 * requested, or before it finishes an earlier call. Therefore, any base since the last reset is
 * allowed.
 */
export function survivors(states: readonly Model[], resolved: number, started: number): Model[] {
  return states.slice(resolved, started + 1).flatMap((model) => {
    const { bases } = states.slice(0, started + 1).findLast(({ resets }) => resets === model.resets) as Model;
    const last = lastOf(model);
    return bases
      .filter(({ index }) => index <= last)
      .map((base) => ({ ...model, base, entries: model.all.filter(({ index }) => index > base.index) }));
  });
}

export function lastOf({ base, entries }: Holdings): number {
  return entries.at(-1)?.index ?? base.index;
}

/**
 * Returns the state that `open` must report. Omits the repairs, and also the commit index, which is
 * only a hint.
 */
function reported({ ballot, life, base, entries }: Holdings): Omit<LogState, 'committed' | 'repairs'> {
  const terms: Position[] = [];
  const memberships: MembershipAt[] = [];
  for (const entry of entries) {
    if (entry.term !== (terms.at(-1)?.term ?? base.term)) terms.push({ index: entry.index, term: entry.term });
    if (entry.kind === 'membership') memberships.push({ index: entry.index, membership: entry.membership });
  }
  const [one] = entries;
  return {
    ballot,
    life,
    base,
    last: lastOf({ ballot, life, base, entries }),
    terms,
    memberships,
    genesis: base.genesis ?? (one?.index === 1 && one.kind === 'membership' ? genesisOf(one) : undefined),
  };
}

/** Reads all entries of a log that was just opened. */
async function holdings(store: LogStore, { ballot, life, base, last }: LogState): Promise<Holdings> {
  const entries: Entry[] = [];
  for (let from = base.index + 1; from <= last; from = base.index + 1 + entries.length) {
    const page = await store.read(from, last, Infinity);
    if (page.length === 0) throw new Error(`entry ${from} of a log that ends at ${last} cannot be read`);
    entries.push(...page);
  }
  return { ballot, life, base, entries };
}

/**
 * Result of comparing a log with models: either the error that was found, or the model that
 * matches.
 */
export interface Comparison {
  readonly wrong?: string | undefined;
  readonly model?: Model | undefined;
}

/** Opens a log, reads its entries, and compares the log with the allowed models. */
export async function difference(store: LogStore, allowed: readonly Model[]): Promise<Comparison> {
  const state = await store.open(owner);
  const { committed, repairs: _, ...rest } = state;
  const held = await holdings(store, state);
  const text = canonical(held);
  const matching = allowed.filter((one) => canonical(holdingsOf(one)) === text);
  const model = matching.at(-1);
  if (model === undefined) {
    const wanted = allowed.map((one) => summary(one)).join(', or ');
    return { wrong: `the log contains ${summary(held)}; expected ${wanted}` };
  }
  const [reports, wanted] = [canonical(rest), canonical(reported(model))];
  if (reports !== wanted) return { wrong: `open reports ${reports}; expected ${wanted}` };
  const known = Math.max(model.base.index, ...matching.map((one) => one.committed));
  if (committed > Math.min(known, rest.last)) {
    return {
      wrong: `open reports commit index ${committed}; the log ends at ${rest.last} and ${known} was appended as committed`,
    };
  }
  return { model };
}

function holdingsOf({ ballot, life, base, entries }: Holdings): Holdings {
  return { ballot, life, base, entries };
}

function summary({ ballot, life, base, entries }: Holdings): string {
  const terms = entries.map(({ index, term }) => `${index}:${term}`).join(' ');
  return `[ballot ${ballot?.term}/${ballot?.votedFor}, life ${life?.id}/${life?.starts}, base ${base.index}:${base.term}, entries ${terms}]`;
}
