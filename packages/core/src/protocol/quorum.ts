import type { Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';

/**
 * Returns the largest value that a majority of `ids` has reached. Returns `Infinity` for no ids, so
 * that an empty half of a membership has no effect.
 */
function majorityReached(ids: readonly ServerId[], reached: (id: ServerId) => number): number {
  if (ids.length === 0) return Infinity;
  const ascending = ids.map(reached).sort((a, b) => a - b);
  // In an ascending list of n values, the value at position n - (n/2 + 1) and all later values form
  // a majority.
  return ascending[ids.length - (Math.floor(ids.length / 2) + 1)] ?? 0;
}

/**
 * Returns the largest value that a quorum has reached. A joint membership needs a majority in both
 * halves (Raft §6).
 */
export function quorumReached(membership: Membership, reached: (id: ServerId) => number): number {
  return Math.min(majorityReached(membership.voters, reached), majorityReached(membership.outgoing, reached));
}

export type VoteResult = 'pending' | 'won' | 'lost';

function majorityVote(ids: readonly ServerId[], vote: (id: ServerId) => boolean | undefined): VoteResult {
  const needed = Math.floor(ids.length / 2) + 1;
  let yes = 0;
  let open = 0;
  for (const id of ids) {
    const answer = vote(id);
    if (answer === undefined) open += 1;
    else if (answer) yes += 1;
  }
  if (ids.length === 0 || yes >= needed) return 'won';
  return yes + open >= needed ? 'pending' : 'lost';
}

/**
 * Returns the result of an election. In a joint membership a candidate must win both halves, and
 * loses if it loses either half.
 */
export function voteResult(membership: Membership, vote: (id: ServerId) => boolean | undefined): VoteResult {
  const voters = majorityVote(membership.voters, vote);
  const outgoing = majorityVote(membership.outgoing, vote);
  if (voters === outgoing) return voters;
  return voters === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}
