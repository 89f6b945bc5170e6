import { KontikiError, type ErrorCode } from '../../errors.js';
import type { Position } from '../../log/entry.js';
import type { ServerId } from '../../log/server.js';
import type { ChangeRefusal, TransferRefusal } from '../../protocol/change-refusal.js';
import type { Raft } from '../../protocol/raft.js';
import { refusalError } from '../calls/refusals.js';

/**
 * Returns the error for a leader that does not know which version of the state machine's behavior
 * every member has.
 */
export function behaviorUnknown(raft: Raft, refusal: ChangeRefusal, situation: () => string): KontikiError {
  if (refusal.refused !== 'silent') return changeRefused(raft, refusal, situation);
  return new KontikiError(
    'KONTIKI_BEHAVIOR',
    `A version of behavior can come into force only while every member answers, because each must have it: ${refusal.detail} has not answered this leader. Nothing was changed. Start it, or remove it, and try again.`,
  );
}

/** Returns the error for a refused membership change. A refused change has no effect. */
export function changeRefused(raft: Raft, { refused, detail }: ChangeRefusal, situation: () => string): KontikiError {
  const error = (code: ErrorCode, text: string): KontikiError => new KontikiError(code, `${text} Nothing was changed.`);
  switch (refused) {
    case 'notLeader':
    case 'transferring':
    case 'diskFull':
      return refusalError(raft, refused, situation);
    case 'notReady':
      return error(
        'KONTIKI_CHANGING',
        'This leader was just elected and has not committed an entry yet. Try again soon.',
      );
    case 'founding':
      return error(
        'KONTIKI_CHANGING',
        'The cluster is not founded yet: each of its first servers must have started once. Start those that are missing, then try again.',
      );
    case 'changing':
      return error(
        'KONTIKI_CHANGING',
        'Another change of the membership is in progress. Try again when it is complete.',
      );
    case 'level':
      return error(
        'KONTIKI_LEVEL',
        'The feature level of this cluster is 0, which cannot change the members. Upgrade every server, then raise the level.',
      );
    case 'leaseLevel':
      return error(
        'KONTIKI_LEVEL',
        `Leases need feature level 2, but this cluster has level ${detail}. Upgrade every server, then raise the level.`,
      );
    case 'silent':
      return error(
        'KONTIKI_LEVEL',
        `The feature level can rise only while every member answers, because each must be able to read it: ${detail} has not answered this leader. Start it, or remove it, and try again.`,
      );
    case 'unequal':
      return error(
        'KONTIKI_LEVEL',
        `The feature level cannot rise: ${detail} cannot read a higher one. Upgrade it and try again.`,
      );
    case 'highest':
      return error('KONTIKI_LEVEL', `The feature level is ${detail} already, the highest that this version reads.`);
    case 'unable':
      return error(
        'KONTIKI_LEVEL',
        `${detail} cannot become a voter: it cannot read the feature level of this cluster. Upgrade it first.`,
      );
    case 'revision':
      return error('KONTIKI_REVISION', `The membership has revision ${detail}. Read it again.`);
    case 'invalid':
      return error('KONTIKI_BAD_CHANGE', `This change is impossible: ${detail}.`);
    case 'lagging':
      return error(
        'KONTIKI_LAGGING',
        `${detail} does not have enough of the log to become a voter. Wait until it has caught up, or use addVoter.`,
      );
    case 'quorumSilent':
      return error(
        'KONTIKI_NO_QUORUM',
        'The new voters would have no majority that answers now, so the cluster could not continue. Start the missing servers, or use force if they will start.',
      );
  }
}

/** Returns the error for a refused leadership transfer. */
export function transferRefused(
  raft: Raft,
  why: TransferRefusal,
  to: ServerId | undefined,
  situation: () => string,
): KontikiError {
  switch (why) {
    case 'notLeader':
    case 'transferring':
      return refusalError(raft, why, situation);
    case 'notVoter':
      return new KontikiError('KONTIKI_BAD_CHANGE', `${to} cannot take over the leadership: it is no voter.`);
    case 'away':
      return transferFailed(to === undefined ? 'no other voter answers' : `${to} does not answer`);
  }
}

export function transferFailed(reason: string): KontikiError {
  return new KontikiError(
    'KONTIKI_TRANSFER_FAILED',
    `The leadership stays here: ${reason}. Try again, or choose another server.`,
  );
}

/** Returns the error for a change whose entry was replaced by another leader's entry. */
export function replaced({ index, term }: Position, committed: number): KontikiError {
  return new KontikiError(
    'KONTIKI_REPLACED',
    `The change was appended as entry ${index} of term ${term}, but an entry of term ${committed} was committed instead, so it never comes into force. It is safe to make the change again.`,
  );
}

/**
 * Returns the error for a change whose outcome is unknown because a snapshot has replaced its
 * entry.
 */
export function compacted(index: number): KontikiError {
  return new KontikiError('KONTIKI_COMPACTED', `A snapshot replaced the log up to entry ${index}.`);
}

/** Returns the error for a change that was appended, but whose outcome is unknown. */
export function unknownChange(cause: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_UNKNOWN_OUTCOME',
    'The change was appended, but whether it comes into force is unknown. Read the membership before you make it again.',
    { cause },
  );
}
