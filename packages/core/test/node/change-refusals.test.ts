// Shows the error for each reason why the protocol refuses a membership change or a transfer. See
// protocol/membership-changes.test.ts and protocol/transfers.test.ts for the reasons.
import type { ErrorCode } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import { changeRefused, transferRefused } from '../../src/node/members/refusals.js';
import type { ChangeRefusal, TransferRefusal } from '../../src/protocol/change-refusal.js';
import type { Raft } from '../../src/protocol/raft.js';

type Expected = readonly [code: ErrorCode, message: string];

const raft = { id: 'a', leader: undefined, transferTarget: 'b' } as unknown as Raft;
const situation = (): string => 'No majority answers.';

const changes: Record<ChangeRefusal['refused'], Expected> = {
  notLeader: ['KONTIKI_NOT_LEADER', 'No majority answers. Try again soon.'],
  transferring: ['KONTIKI_TRANSFERRING', 'to b. Try again soon.'],
  diskFull: ['KONTIKI_DISK_FULL', 'Free some space, then try again.'],
  notReady: ['KONTIKI_CHANGING', 'Try again soon. Nothing was changed.'],
  founding: ['KONTIKI_CHANGING', 'Start those that are missing, then try again. Nothing was changed.'],
  changing: ['KONTIKI_CHANGING', 'Try again when it is complete. Nothing was changed.'],
  level: ['KONTIKI_LEVEL', 'then raise the level. Nothing was changed.'],
  leaseLevel: [
    'KONTIKI_LEVEL',
    'this cluster has level d. Upgrade every server, then raise the level. Nothing was changed.',
  ],
  silent: ['KONTIKI_LEVEL', 'd has not answered this leader. Start it, or remove it, and try again.'],
  unequal: ['KONTIKI_LEVEL', 'd cannot read a higher one. Upgrade it and try again.'],
  highest: ['KONTIKI_LEVEL', 'is d already, the highest that this version reads.'],
  unable: ['KONTIKI_LEVEL', 'd cannot become a voter: it cannot read the feature level'],
  revision: ['KONTIKI_REVISION', 'has revision d. Read it again. Nothing was changed.'],
  invalid: ['KONTIKI_BAD_CHANGE', 'This change is impossible: d. Nothing was changed.'],
  lagging: ['KONTIKI_LAGGING', 'Wait until it has caught up, or use addVoter. Nothing was changed.'],
  quorumSilent: ['KONTIKI_NO_QUORUM', 'Start the missing servers, or use force if they will start.'],
};

const transfers: Record<TransferRefusal, Expected> = {
  notLeader: ['KONTIKI_NOT_LEADER', 'No majority answers. Try again soon.'],
  transferring: ['KONTIKI_TRANSFERRING', 'to b. Try again soon.'],
  notVoter: ['KONTIKI_BAD_CHANGE', 'd cannot take over the leadership: it is no voter.'],
  away: ['KONTIKI_TRANSFER_FAILED', 'd does not answer. Try again, or choose another server.'],
};

describe('refusals', () => {
  it.each(Object.entries(changes))('the error of a change refused as %s says what to do', (refused, expected) => {
    const refusal = { refused: refused as ChangeRefusal['refused'], detail: 'd' };
    const { code, message } = changeRefused(raft, refusal, situation);
    expect([code, message]).toEqual([expected[0], expect.stringContaining(expected[1])]);
  });

  it.each(Object.entries(transfers))('the error of a transfer refused as %s says what to do', (refused, expected) => {
    const { code, message } = transferRefused(raft, refused as TransferRefusal, 'd', situation);
    expect([code, message]).toEqual([expected[0], expect.stringContaining(expected[1])]);
  });
});
