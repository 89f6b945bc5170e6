// Shows which outcomes of proposals follow from a committed entry, or from a snapshot that has
// replaced the log.
import { describe, expect, it } from 'vitest';
import type { Applied, Position } from '@kontiki/core';
import { VirtualClock } from '@kontiki/testing';
import { Calls } from '../../src/node/calls/calls.js';
import { Forwarding } from '../../src/node/calls/forwarding.js';
import type { Proposal } from '../../src/node/calls/proposal.js';
import { Proposals } from '../../src/node/calls/proposals.js';
import type { Raft } from '../../src/protocol/raft.js';
import { outcome } from './harness.js';

/**
 * The proposals of a server that led in terms 2 and 4, and appended entries 3 to 6 in both terms.
 */
const proposed: readonly Position[] = [2, 4].flatMap((term) => [3, 4, 5, 6].map((index) => ({ index, term })));

/**
 * Appends the proposals, and returns the outcomes of the proposals that `act` settles. For example,
 * `4@2` stands for entry 4 of term 2.
 */
async function outcomesAfter(act: (proposals: Proposals<string>) => void): Promise<Record<string, unknown>> {
  const positions = [...proposed];
  const log = { applied: 2, base: { index: 0, term: 0 } };
  const raft = { role: 'leader', log, propose: () => positions.shift() } as unknown as Raft;
  const proposals = new Proposals<string>(raft, () => '');
  const clock = new VirtualClock();
  const calls = new Calls(clock);
  const outcomes: Record<string, unknown> = {};
  for (const { index, term } of proposed) {
    const call = calls.open<Applied<string>>(1_000, undefined);
    proposals.queue(new Uint8Array(1), false, call);
    void outcome(call.promise.then(({ result }) => result)).then((end) => (outcomes[`${index}@${term}`] = end));
  }
  proposals.proposeQueued();
  act(proposals);
  await clock.settle();
  return outcomes;
}

describe('Proposals', () => {
  const replaced = 'KONTIKI_REPLACED';

  it('a committed entry replaces earlier-term proposals at and after its index', async () => {
    expect(await outcomesAfter((proposals) => proposals.settle({ index: 3, term: 3 }, undefined))).toEqual({
      '3@2': replaced,
      '4@2': replaced,
      '5@2': replaced,
      '6@2': replaced,
      '3@4': replaced,
    });
  });

  it('a committed entry replaces later-term proposals only up to its index', async () => {
    expect(await outcomesAfter((proposals) => proposals.settle({ index: 4, term: 2 }, 'done'))).toEqual({
      '4@2': 'done',
      '3@4': replaced,
      '4@4': replaced,
    });
  });

  it('a snapshot replaces only the proposals that its last entry rules out', async () => {
    const unknown = 'KONTIKI_UNKNOWN_OUTCOME';
    expect(await outcomesAfter((proposals) => proposals.passSnapshot({ index: 5, term: 3 }))).toEqual({
      '3@2': unknown,
      '4@2': unknown,
      '5@2': replaced,
      '6@2': replaced,
      '3@4': replaced,
      '4@4': replaced,
      '5@4': replaced,
    });
  });

  it('a proposal at the last index of a snapshot has an unknown outcome', async () => {
    const outcomes = await outcomesAfter((proposals) => proposals.passSnapshot({ index: 4, term: 4 }));
    expect(outcomes['4@4']).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(outcomes['5@4']).toBe(undefined);
  });

  it('200,000 proposals waiting for a leader are proposed once this server leads', () => {
    const log = { applied: 0, base: { index: 0, term: 0 } };
    const raft = { role: 'follower', leader: undefined, log, propose: (): unknown => 'notLeader' };
    const proposals = new Proposals<string>(raft as unknown as Raft, () => '');
    const calls = new Calls(new VirtualClock());
    const data = new Uint8Array(1);
    for (let i = 0; i < 200_000; i += 1) proposals.queue(data, true, calls.open<Applied<string>>(1_000, undefined));
    proposals.proposeQueued();
    let index = 0;
    Object.assign(raft, { role: 'leader', propose: () => ({ index: (index += 1), term: 1 }) });
    proposals.proposeQueued();
    expect(index).toBe(200_000);
  });
});

describe('Forwarding', () => {
  it('a proposal whose caller gives up while no leader is known is forgotten', () => {
    const answers = { appended: (): void => {}, refused: (): void => {} };
    const forwarding = new Forwarding<string>({} as Raft, answers);
    const proposal = { data: new Uint8Array(1) } as Proposal<string>;
    forwarding.add(proposal);
    expect(forwarding.giveUp(proposal)).toBe(false);
    expect(forwarding.takeWaiting().size).toBe(0);
  });
});
