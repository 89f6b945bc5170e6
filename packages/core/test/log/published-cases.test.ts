// Replays cases that etcd's raft publishes for its quorums and its configuration changes
// (quorum/testdata and confchange/testdata). Expects the results that etcd documents.
import { membershipOf, type Membership } from '@kontiki/core';
import { expect, it } from 'vitest';
import {
  beginChange,
  enterJoint,
  leaveJoint,
  simple,
  targetOf,
  type MembershipStep,
  type Target,
} from '../../src/log/membership-change.js';
import { quorumReached } from '../../src/protocol/quorum.js';

const info = { address: 'memory:x', metadata: '' };
const membership = (voters: readonly string[]): Membership => membershipOf(voters.map((id) => [id, info]));

/**
 * Parses a step in etcd's notation: `v1` makes server 1 a voter, `l1` makes it a learner, and `r1`
 * removes it. Omits steps that change nothing.
 */
function stepsOf({ voters, learners }: Target, operation: string): MembershipStep[] {
  const id = operation.slice(1);
  const [isVoter, isLearner] = [voters.includes(id), learners.includes(id)];
  const added: MembershipStep[] = isVoter || isLearner ? [] : [{ kind: 'addLearner', id, ...info }];
  switch (operation.charAt(0)) {
    case 'v':
      return isVoter ? [] : [...added, { kind: 'promote', id }];
    case 'l':
      return isVoter ? [{ kind: 'demote', id }] : added;
    default:
      return added.length > 0 ? [] : [{ kind: 'remove', id }];
  }
}

/** Returns the membership in etcd's notation. */
function print({ voters, outgoing, learners, learnersNext }: Membership): string {
  const set = (ids: readonly string[]): string => `(${[...ids].sort((a, b) => Number(a) - Number(b)).join(' ')})`;
  return [
    `voters=${set(voters)}${outgoing.length > 0 ? `&&${set(outgoing)}` : ''}`,
    learners.length > 0 ? ` learners=${set(learners)}` : '',
    learnersNext.length > 0 ? ` learners_next=${set(learnersNext)}` : '',
  ].join('');
}

/** Makes one change. Returns the next membership, or the reason for a refusal. */
function change(current: Membership, command: string): Membership | string {
  const [kind, ...operations] = command.split(' ');
  if (kind === 'leave-joint') return leaveJoint(current);
  const steps: MembershipStep[] = [];
  let target: Target | string = current;
  for (const operation of operations) {
    // Each step of a change is checked after all earlier steps. Between two steps, the membership
    // may have no voter.
    const before = targetOf(current, steps);
    steps.push(...stepsOf(typeof before === 'string' ? { ...current, voters: [] } : before, operation));
    target = targetOf(current, steps);
  }
  if (typeof target === 'string') return target;
  if (kind === 'enter-joint') return enterJoint(current, target);
  return beginChange(current, target).outgoing.length > 0 ? 'needs a joint phase' : simple(current, target);
}

it.each([
  [
    'demotes a voter when the joint phase ends',
    ['enter-joint v2 l1', 'voters=(2)&&(1) learners_next=(1)'],
    ['leave-joint', 'voters=(2) learners=(1)'],
  ],
  [
    'replaces the only voter',
    ['enter-joint', 'voters=(1)&&(1)'],
    ['leave-joint', 'voters=(1)'],
    ['enter-joint v2 v3 l4 r1', 'voters=(2 3)&&(1) learners=(4)'],
    ['leave-joint', 'voters=(2 3) learners=(4)'],
    ['simple l9', 'voters=(2 3) learners=(4 9)'],
  ],
  ['enters and leaves a joint phase', ['enter-joint v2 v3', 'voters=(1 2 3)&&(1)'], ['leave-joint', 'voters=(1 2 3)']],
  [
    'repeats operations',
    ['enter-joint r9 v2 v3 v4 v2 v3 v4 l2 l2 r4 r4 l1 l1', 'voters=(3)&&(1) learners=(2) learners_next=(1)'],
    ['leave-joint', 'voters=(3) learners=(1 2)'],
  ],
  [
    'promotes and demotes',
    ['simple v2', 'voters=(1 2)'],
    ['simple v3', 'voters=(1 2 3)'],
    ['simple l1 v1', 'voters=(1 2 3)'],
    ['simple l2', 'voters=(1 3) learners=(2)'],
    ['simple v2 l2', 'voters=(1 3) learners=(2)'],
    ['simple v2', 'voters=(1 2 3)'],
  ],
  [
    'needs a joint phase for more than one voter',
    ['simple v2 l3', 'voters=(1 2) learners=(3)'],
    ['simple v5 r1', 'needs a joint phase'],
    ['simple r1 r2', 'no voter would remain'],
    ['simple v3 v4', 'needs a joint phase'],
    ['simple v5 l1', 'needs a joint phase'],
    ['simple l1 l2', 'no voter would remain'],
    ['simple l2 l3 l4 l5', 'voters=(1) learners=(2 3 4 5)'],
    ['simple r1', 'no voter would remain'],
    ['simple r2 r3 r4 r5', 'voters=(1)'],
  ],
] as const)("a change from etcd's tests that %s ends as documented", (_, ...commands) => {
  let current = membership(['1']);
  for (const [command, expected] of commands as readonly (readonly [string, string])[]) {
    const next = change(current, command);
    expect(typeof next === 'string' ? next : print(next), command).toBe(expected);
    if (typeof next !== 'string') current = next;
  }
});

/**
 * Each case has voters, outgoing voters, indices and the expected commit index. The indices are
 * those of all voters in order of their ids, or 0 if unknown.
 */
const commits: readonly (readonly [voters: string, outgoing: string, reached: readonly number[], expected: number])[] =
  [
    ['1', '', [0], 0],
    ['1', '', [12], 12],
    ['12', '', [12, 0], 0],
    ['12', '', [12, 5], 5],
    ['123', '', [12, 0, 0], 0],
    ['123', '', [12, 5, 0], 5],
    ['123', '', [12, 5, 6], 6],
    ['123', '', [12, 5, 4], 5],
    ['123', '', [5, 5, 12], 5],
    ['123', '', [100, 101, 103], 101],
    ['12345', '', [101, 104, 103, 103, 0], 103],
    ['12345', '', [101, 102, 103, 103, 0], 102],
    ['1', '2', [100, 0], 0],
    ['1', '2', [13, 100], 13],
    ['1', '1', [100], 100],
    ['13', '2', [100, 0, 50], 0],
    ['13', '2', [100, 50, 45], 45],
    ['12', '2', [0, 100], 0],
    ['12', '2', [50, 100], 50],
    ['12', '34', [50, 48, 49, 0], 0],
    ['12', '34', [50, 48, 49, 47], 47],
    ['12', '23', [0, 100, 99], 0],
    ['12', '23', [101, 100, 99], 99],
    ['12', '12', [41, 40], 40],
    ['123', '456', [100, 99, 0, 0, 0, 0], 0],
    ['123', '456', [0, 99, 90, 97, 95, 0], 90],
    ['123', '456', [92, 99, 90, 97, 95, 77], 92],
    ['123', '145', [100, 101, 100, 0, 0], 0],
    ['123', '145', [0, 100, 0, 99, 98], 0],
    ['123', '145', [1, 100, 99, 99, 98], 98],
    ['123', '145', [100, 100, 99, 99, 98], 99],
    ['123', '234', [0, 100, 99, 0], 99],
    ['123', '234', [100, 99, 0, 101], 99],
    ['123', '123', [50, 45, 0], 45],
  ];

it.each(commits)(
  "voters %s, outgoing voters %s and indices %s from etcd's tests commit %i",
  (voters, outgoing, reached, expected) => {
    const joint = { ...membership(voters.split('')), outgoing: outgoing.split('') };
    const ids = [...new Set(`${voters}${outgoing}`.split(''))].sort();
    expect(quorumReached(joint, (id) => reached[ids.indexOf(id)] ?? 0)).toBe(expected);
  },
);
