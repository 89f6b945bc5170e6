// Shows the rules for quorums, memberships and durable writes. Tests the classes in `log/` and the
// functions in `protocol/quorum.ts` without a server.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isVoter, membershipFault, membershipOf, type Entry, type Membership } from '@kontiki/core';
import { command } from '@kontiki/testing';
import { WriteTracker } from '../../src/log/write-tracker.js';
import { RaftLog } from '../../src/log/raft-log.js';
import { quorumReached, voteResult } from '../../src/protocol/quorum.js';

const info = { address: '', metadata: '' };
const joint = (voters: string[], outgoing: string[], learners: string[] = []): Membership => ({
  level: 1,
  revision: 0,
  founded: true,
  epoch: '',
  leaseMs: 0,
  voters,
  outgoing,
  learners,
  learnersNext: [],
  servers: new Map([...voters, ...outgoing, ...learners].map((id) => [id, info])),
});

describe('quorum', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('a quorum of %i voters is more than half of them', (size) => {
    const ids = Array.from({ length: size }, (_, i) => `s${i}`);
    const needed = Math.floor(size / 2) + 1;
    for (let yes = 0; yes <= size; yes += 1) {
      const reached = (id: string): number => (Number(id.slice(1)) < yes ? 5 : 3);
      expect(quorumReached(joint(ids, []), reached)).toBe(yes >= needed ? 5 : 3);
      expect(voteResult(joint(ids, []), (id) => (Number(id.slice(1)) < yes ? true : undefined))).toBe(
        yes >= needed ? 'won' : 'pending',
      );
      expect(voteResult(joint(ids, []), (id) => Number(id.slice(1)) < yes)).toBe(yes >= needed ? 'won' : 'lost');
    }
  });

  it('a quorum consists of all voters until the cluster is founded', () => {
    const unfounded = { ...joint(['a', 'b', 'c'], []), founded: false };
    const two = (id: string): boolean | undefined => id !== 'c' || undefined;
    expect(voteResult(unfounded, two)).toBe('pending');
    expect(voteResult(unfounded, () => true)).toBe('won');
    expect(voteResult(unfounded, (id) => id !== 'c')).toBe('lost');
    expect(quorumReached(unfounded, (id) => (id === 'c' ? 3 : 5))).toBe(3);
  });

  it('a joint quorum needs a majority of each half and excludes learners', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const some = fc.subarray(ids, { minLength: 1 });
    fc.assert(
      fc.property(
        some,
        fc.subarray(ids),
        fc.array(fc.nat(5), { minLength: 7, maxLength: 7 }),
        (voters, outgoing, values) => {
          const reached = (id: string): number => values[ids.indexOf(id)] as number;
          const majority = (half: string[], at: number): boolean =>
            half.length === 0 || half.filter((id) => reached(id) >= at).length * 2 > half.length;
          const naive = [5, 4, 3, 2, 1, 0].find((at) => majority(voters, at) && majority(outgoing, at));
          expect(quorumReached(joint(voters, outgoing), reached)).toBe(naive);
          const vote = (id: string): boolean | undefined => [undefined, false, true][reached(id) % 3];
          const won = (half: string[]): boolean =>
            half.length === 0 || half.filter((id) => vote(id) === true).length * 2 > half.length;
          const canWin = (half: string[]): boolean =>
            half.length === 0 || half.filter((id) => vote(id) !== false).length * 2 > half.length;
          const expected =
            won(voters) && won(outgoing) ? 'won' : canWin(voters) && canWin(outgoing) ? 'pending' : 'lost';
          expect(voteResult(joint(voters, outgoing), vote)).toBe(expected);
        },
      ),
      { numRuns: 20_000, seed: 3 },
    );
  });
});

describe('membership', () => {
  it('membershipFault describes why a membership is invalid', () => {
    expect(membershipFault(joint(['a', 'b'], ['b', 'c'], ['d']))).toBe(undefined);
    expect(membershipFault(joint([], ['a']))).toContain('no voter');
    expect(membershipFault(joint(['a', 'a'], []))).toContain('twice');
    expect(membershipFault(joint(['a'], [], ['a']))).toContain('voter and a learner');
    expect(membershipFault({ ...joint(['a'], ['b']), learnersNext: ['a'] })).toContain('learnersNext');
    expect(membershipFault({ ...joint(['a'], []), servers: new Map() })).toContain('no address');
    expect(
      membershipFault({
        ...joint(['a'], []),
        servers: new Map([
          ['a', info],
          ['b', info],
        ]),
      }),
    ).toContain('neither voter nor learner');
  });

  it('isVoter is true for voters and outgoing voters, and false for learners', () => {
    const plain = membershipOf(
      [
        ['a', info],
        ['b', info],
      ],
      ['b'],
    );
    expect([isVoter(plain, 'a'), isVoter(plain, 'b'), isVoter(joint(['a'], ['b']), 'b')]).toEqual([true, false, true]);
  });

  it('a membership takes effect when appended and is reverted when truncated', () => {
    const first = { index: 1, membership: membershipOf([['a', info]]) };
    const start = {
      base: { index: 0, term: 0, membership: undefined },
      last: 1,
      terms: [{ index: 1, term: 1 }],
      memberships: [first],
      committed: 1,
    };
    const log = new RaftLog(start, 0, 1_000);
    const second: Entry = {
      kind: 'membership',
      index: 2,
      term: 2,
      membership: membershipOf([
        ['a', info],
        ['b', info],
      ]),
    };
    log.append(second);
    expect(log.membership).toBe(second.membership);
    expect(log.liveMemberships).toHaveLength(2);
    log.truncate(2);
    expect(log.membership).toBe(first.membership);
    log.append({ ...second, term: 3 });
    log.commitTo(2);
    expect(log.liveMemberships).toEqual([{ index: 2, membership: second.membership }]);
  });
});

const blank = {
  base: { index: 0, term: 0, membership: undefined },
  last: 0,
  terms: [],
  memberships: [],
  committed: 0,
};

describe('durability', () => {
  it('a finished write does not make an entry durable that has been replaced since', () => {
    const writes = new WriteTracker(3);
    const first = writes.issue(4, 5, 10); // Write entries 4 and 5.
    const second = writes.issue(4, 4, 5); // Replace both entries with a new entry 4.
    const third = writes.issue(4, 5, 10); // Replace entry 4 with new entries 4 and 5.
    expect(writes.durable(Infinity)).toBe(3);
    writes.finish(first);
    expect([writes.durable(Infinity), writes.bytes]).toEqual([3, 15]);
    writes.finish(second);
    expect(writes.durable(Infinity)).toBe(3);
    writes.finish(third);
    expect([writes.durable(Infinity), writes.bytes]).toEqual([5, 0]);
  });

  it('completing a ballot write also completes earlier writes of entries', () => {
    const writes = new WriteTracker(3);
    writes.issue(4, 6, 1);
    const ballot = writes.issue(Infinity, 6, 0);
    writes.finish(ballot);
    expect(writes.durable(Infinity)).toBe(6);
    // Entry 5 has been replaced again, and the write of the new entry has not been issued yet.
    expect(writes.durable(5)).toBe(4);
  });

  it('WriteTracker ignores late completions and rejects writes that were never issued', () => {
    const writes = new WriteTracker(3);
    writes.issue(4, 6, 1);
    const ballot = writes.issue(Infinity, 6, 0);
    writes.finish(ballot);
    writes.finish(1);
    expect(writes.lastDurableWrite).toBe(ballot);
    expect(() => writes.finish(9)).toThrow(/issued/);
  });

  it('a log keeps entries in memory until they are durable and committed', () => {
    const log = new RaftLog(blank, 0, 0);
    for (let index = 1; index <= 10; index += 1) log.append(command(index, 1));
    const { number, entries } = log.issueWrite();
    expect(entries).toHaveLength(10);
    expect(log.slice(1, 10, Infinity)?.entries).toHaveLength(10);
    log.persisted(number);
    expect(log.slice(1, 10, Infinity)?.entries).toHaveLength(10);
    log.commitTo(6);
    log.appliedTo(4);
    expect(log.slice(6, 10, Infinity)).toBe(undefined);
    expect(log.slice(7, 10, 1)?.entries).toHaveLength(1);
    expect(log.termAt(3)).toBe(1);
  });

  it('RaftLog rejects out-of-order applied and commit indices', () => {
    const log = new RaftLog(blank, 0, 0);
    for (let index = 1; index <= 10; index += 1) log.append(command(index, 1));
    log.persisted(log.issueWrite().number);
    log.commitTo(6);
    log.appliedTo(4);
    expect(() => log.appliedTo(7)).toThrow(/committed/);
    expect(() => log.commitTo(11)).toThrow(/lost/);
    expect(() => log.commitTo(5)).toThrow(/go back/);
  });
});
