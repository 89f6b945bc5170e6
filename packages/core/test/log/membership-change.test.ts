// Shows that membership changes never lead to quorums that do not overlap. Compares the results
// with a simple model that checks every set of servers.
import fc from 'fast-check';
import { membershipFault, membershipOf, type Member, type Membership } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import {
  beginChange,
  enterJoint,
  leaveJoint,
  simple,
  targetOf,
  type MembershipStep,
  type Target,
} from '../../src/log/membership-change.js';
import { voteResult } from '../../src/protocol/quorum.js';

const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
const info = { address: 'memory:x', metadata: '' };

function membership(voters: readonly string[], learners: readonly string[] = []): Membership {
  return membershipOf(
    [...voters, ...learners].map((id) => [id, info]),
    learners,
  );
}

/**
 * Returns whether a set of servers is a majority of `voters`, by counting the servers one by one.
 */
function isMajority(servers: ReadonlySet<string>, voters: readonly string[]): boolean {
  let both = 0;
  for (const voter of voters) if (servers.has(voter)) both += 1;
  return both > voters.length - both;
}

/**
 * Returns whether a set of servers may elect leaders and commit entries, by the definition in Raft
 * §6.
 */
function isQuorum(servers: ReadonlySet<string>, { voters, outgoing }: Membership): boolean {
  return isMajority(servers, voters) && (outgoing.length === 0 || isMajority(servers, outgoing));
}

const subsets = Array.from(
  { length: 2 ** ids.length },
  (_, bits) => new Set(ids.filter((_id, i) => (bits >> i) % 2 === 1)),
);

function overlap(one: Membership, other: Membership): boolean {
  const quorums = subsets.filter((set) => isQuorum(set, one));
  const others = subsets.filter((set) => isQuorum(set, other));
  return quorums.every((set) => others.every((set2) => [...set].some((id) => set2.has(id))));
}

const anyMembership = fc
  .tuple(fc.subarray(ids, { minLength: 1 }), fc.array(fc.boolean(), { minLength: ids.length, maxLength: ids.length }))
  .map(([members, learns]) => {
    const learners = members.filter((_, i) => i > 0 && learns[i] === true);
    return membership(
      members.filter((id) => !learners.includes(id)),
      learners,
    );
  });

const anyStep: fc.Arbitrary<MembershipStep> = fc.oneof(
  fc.record({ kind: fc.constant('addLearner' as const), id: fc.constantFrom(...ids) }).map((s) => ({ ...s, ...info })),
  fc.record({ kind: fc.constantFrom('promote', 'demote', 'remove'), id: fc.constantFrom(...ids) }),
  fc.record({ kind: fc.constant('setAddress' as const), id: fc.constantFrom(...ids), address: fc.string() }),
);

describe('membership changes', () => {
  it('voteResult and a simple model find the same quorums', () => {
    fc.assert(
      fc.property(anyMembership, anyMembership, fc.subarray(ids), (from, to, yes) => {
        const joint = enterJoint(from, to);
        const won = voteResult(joint, (id) => yes.includes(id)) === 'won';
        expect(won).toBe(isQuorum(new Set(yes), joint));
      }),
      { numRuns: 50_000, seed: 1 },
    );
  });

  it('every quorum overlaps with every quorum of the previous membership', () => {
    fc.assert(
      fc.property(anyMembership, fc.array(anyStep, { minLength: 1, maxLength: 6 }), (current, steps) => {
        const target = targetOf(current, steps);
        if (typeof target === 'string') return;
        const next = beginChange(current, target);
        expect(membershipFault(next)).toBe(undefined);
        expect(overlap(current, next)).toBe(true);
        expect(next.revision).toBe(current.revision + 1);
        const settled = next.outgoing.length > 0 ? leaveJoint(next) : next;
        expect(membershipFault(settled)).toBe(undefined);
        expect(overlap(next, settled)).toBe(true);
        expect(new Set(settled.voters)).toEqual(new Set(target.voters));
        expect(new Set(settled.learners)).toEqual(new Set(target.learners));
        expect(new Set(settled.servers.keys())).toEqual(new Set(target.servers.keys()));
        expect(settled.revision).toBe(next.revision);
      }),
      { numRuns: 1_000, seed: 1 },
    );
  });

  it.each([
    ['adds one voter', ['a', 'b'], ['a', 'b', 'c'], false],
    ['removes one voter', ['a', 'b', 'c'], ['a', 'b'], false],
    ['exchanges one voter', ['a', 'b', 'c'], ['a', 'b', 'd'], true],
    ['adds two voters', ['a'], ['a', 'b', 'c'], true],
    ['exchanges all voters', ['a', 'b', 'c'], ['d', 'e', 'f'], true],
  ])('a change that %s is joint only if old and new quorums need not overlap', (_, from, to, joint) => {
    const [current, target] = [membership(from), membership(to)];
    expect(beginChange(current, target).outgoing.length > 0).toBe(joint);
    if (from.length + to.length > 5) expect(overlap(current, simple(current, target))).toBe(!joint);
  });

  it('a demoted voter is a learner only after the joint phase', () => {
    const current = membership(['a', 'b', 'c'], ['d']);
    const target = targetOf(current, [
      { kind: 'demote', id: 'c' },
      { kind: 'promote', id: 'd' },
    ]);
    if (typeof target === 'string') throw new Error(target);
    const joint = beginChange(current, target);
    expect(joint).toMatchObject({
      voters: ['a', 'b', 'd'],
      outgoing: ['a', 'b', 'c'],
      learners: [],
      learnersNext: ['c'],
    });
    expect(leaveJoint(joint)).toMatchObject({
      voters: ['a', 'b', 'd'],
      outgoing: [],
      learners: ['c'],
      learnersNext: [],
    });
  });

  it('a demoted voter keeps its store until the joint phase ends, and then has none', () => {
    const stored = (id: string, store: number): [string, Member] => [id, { ...info, store }];
    const learner: [string, Member] = ['d', info];
    const current = membershipOf([stored('a', 1), stored('b', 2), stored('c', 3), learner], ['d']);
    const steps = [
      { kind: 'demote', id: 'c' },
      { kind: 'promote', id: 'd' },
    ] as const;
    const joint = beginChange(current, targetOf(current, steps, () => 4) as Target);
    const stores = ({ servers }: Membership): unknown => [...servers].map(([id, { store }]) => `${id}${store ?? '-'}`);
    expect([joint.outgoing, stores(joint)]).toEqual([
      ['a', 'b', 'c'],
      ['a1', 'b2', 'c3', 'd4'],
    ]);
    expect(stores(leaveJoint(joint))).toEqual(['a1', 'b2', 'c-', 'd4']);
  });

  it.each<[string, readonly MembershipStep[]]>([
    [
      'demoted and promoted',
      [
        { kind: 'demote', id: 'c' },
        { kind: 'promote', id: 'c' },
      ],
    ],
    [
      'removed, added and promoted',
      [
        { kind: 'remove', id: 'c' },
        { kind: 'addLearner', id: 'c', ...info },
        { kind: 'promote', id: 'c' },
      ],
    ],
  ])('a voter that is %s in one change keeps its store', (_, steps) => {
    const current = membershipOf(['a', 'b', 'c'].map((id, i) => [id, { ...info, store: i + 1 }]));
    const target = targetOf(current, steps, () => 9) as Target;
    expect(beginChange(current, target).servers.get('c')?.store).toBe(3);
  });

  it.each<[string, MembershipStep, string]>([
    ['adds a member', { kind: 'addLearner', id: 'a', ...info }, 'a is a member already'],
    ['promotes a stranger', { kind: 'promote', id: 'x' }, 'x is not a member'],
    ['promotes a voter', { kind: 'promote', id: 'a' }, 'a is a voter already'],
    ['demotes a learner', { kind: 'demote', id: 'l' }, 'l is a learner already'],
    ['demotes the last voter', { kind: 'demote', id: 'a' }, 'no voter would remain'],
    ['removes the last voter', { kind: 'remove', id: 'a' }, 'no voter would remain'],
    ['removes a stranger', { kind: 'remove', id: 'x' }, 'x is not a member'],
    ['moves a stranger', { kind: 'setAddress', id: 'x', address: 'y' }, 'x is not a member'],
  ])('a change that %s is refused', (_, step, fault) => {
    expect(targetOf(membership(['a'], ['l']), [step])).toBe(fault);
  });
});
