import type { Ballot, Entry, LogBase } from '@kontiki/core';
import type { Random } from '../random.js';
import {
  baseAt,
  command,
  commands,
  first,
  lastOf,
  membershipEntry,
  models,
  type Call,
  type Model,
} from './log-model.js';

/**
 * Groups of calls. The calls in a group overlap, and each group starts once the previous group has
 * resolved.
 */
export type Script = readonly (readonly Call[])[];

function write(entries: readonly Entry[], ballot?: Ballot, committed?: number): Call {
  return { kind: 'append', write: { entries, ballot, committed } };
}

/** A script with every kind of call that changes a log. */
export const script: Script = [
  [write([first], undefined, 1)],
  [{ kind: 'append', write: { ballot: { term: 2, votedFor: 'b' }, life: { id: 77, starts: 1 } } }],
  [
    write([command(2, 2), command(3, 2)]),
    write([command(4, 2), command(5, 2)], undefined, 2),
    write([command(4, 3)], { term: 3, votedFor: undefined }),
  ],
  [write(commands(3, 5, 3))],
  [write([command(6, 3, 300)]), write([command(7, 3, 700)])],
  [{ kind: 'compact', base: baseAt(4, 3) }, write(commands(8, 9, 3))],
  [write([command(8, 4)], { term: 4, votedFor: 'a' }, 7)],
  [write([membershipEntry(9, 4), command(10, 4)])],
  [{ kind: 'compact', base: baseAt(8, 4) }],
  [{ kind: 'reset', base: baseAt(20, 4, 9) }, write([command(21, 4), { kind: 'noop', index: 22, term: 5 }])],
  [write([command(23, 5, 200)])],
  [{ kind: 'append', write: { ballot: { term: 6, votedFor: undefined } } }],
  [{ kind: 'append', write: { life: { id: 77, starts: 2 } } }],
  [write(commands(23, 24, 6))],
];

/** Draws a random script with the given number of groups. */
export function drawScript(random: Random, groups = 16): Script {
  const drawn: Call[][] = [[write([first], undefined, 1)]];
  let term = 1;
  while (drawn.length < groups) {
    const group: Call[] = [];
    // Index of the last durable entry that this group of calls does not replace. No base may exceed
    // this index.
    let durable = lastOf(state(drawn));
    for (let left = 1 + random.below(3); left > 0; left -= 1) {
      const model = state([...drawn, group]);
      const [base, last] = [model.base.index, lastOf(model)];
      const committed = Math.max(model.committed, base);
      const draw = random.next();
      if (draw < 0.08) {
        const index = Math.max(committed, 1) + random.below(12);
        group.push({ kind: 'reset', base: baseAt(index, (term += 1)) });
        durable = index;
      } else if (draw < 0.25 && durable > base) {
        const index = base + 1 + random.below(durable - base);
        group.push({ kind: 'compact', base: baseOf(model, index) });
      } else {
        const from = random.chance(0.4) ? Math.min(last, committed) + 1 + random.below(last - committed + 1) : last + 1;
        if (from <= last || random.chance(0.3)) term += 1;
        durable = Math.min(durable, from - 1);
        group.push(drawWrite(random, from, term));
      }
    }
    drawn.push(group);
  }
  return drawn;
}

function state(groups: Script): Model {
  return models(groups.flat()).at(-1) as Model;
}

function baseOf(model: Model, index: number): LogBase {
  const entry = model.entries.find((held) => held.index === index) as Entry;
  const newest = model.entries.findLast((held) => held.kind === 'membership' && held.index <= index);
  return baseAt(index, entry.term, newest?.index ?? model.base.membership?.index);
}

function drawWrite(random: Random, from: number, term: number): Call {
  const ballot = random.chance(0.4) ? { term, votedFor: random.pick(['a', 'b', undefined]) } : undefined;
  const count = ballot !== undefined && random.chance(0.4) ? 0 : 1 + random.below(4);
  const entries = Array.from({ length: count }, (_, i): Entry => {
    if (random.chance(0.1)) return { kind: 'noop', index: from + i, term };
    if (random.chance(0.1)) return membershipEntry(from + i, term);
    return command(from + i, term, random.pick([0, 1, 20, 200, 600]));
  });
  const committed = random.chance(0.3) ? from - 1 : undefined;
  return write(entries, ballot, committed);
}
