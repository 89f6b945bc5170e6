import type { Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';

/**
 * Returns how many of `voters` must agree to a decision. This is a majority of them once every
 * voter's store has been recorded, and all of them before that.
 */
function needed(voters: readonly ServerId[], founded: boolean): number {
  return founded ? Math.floor(voters.length / 2) + 1 : voters.length;
}

/**
 * Values in ascending order. All calls share this array and avoid `sort`, so that they allocate no
 * memory. A leader counts acknowledgements after every message.
 */
const ascending: number[] = [];

/**
 * Returns the largest value that enough of `ids` have reached. Returns `Infinity` if `ids` is
 * empty, so that an empty list of outgoing voters does not lower the result of `quorumReached`.
 */
function reachedByEnough(ids: readonly ServerId[], founded: boolean, reached: (id: ServerId) => number): number {
  if (ids.length === 0) return Infinity;
  ascending.length = 0;
  for (const id of ids) {
    const value = reached(id);
    let at = ascending.push(value) - 1;
    for (; at > 0 && (ascending[at - 1] as number) > value; at -= 1) ascending[at] = ascending[at - 1] as number;
    ascending[at] = value;
  }
  // In an ascending list of n values, the last k values are at least the value at position n - k.
  return ascending[ids.length - needed(ids, founded)] ?? 0;
}

/**
 * Returns the largest value that a quorum has reached. A joint membership needs a majority of both
 * its old and its new voters (Raft §6).
 */
export function quorumReached({ voters, outgoing, founded }: Membership, reached: (id: ServerId) => number): number {
  return Math.min(reachedByEnough(voters, founded, reached), reachedByEnough(outgoing, founded, reached));
}

export type VoteResult = 'pending' | 'won' | 'lost';

function voteOf(ids: readonly ServerId[], founded: boolean, vote: (id: ServerId) => boolean | undefined): VoteResult {
  const enough = needed(ids, founded);
  let yes = 0;
  let open = 0;
  for (const id of ids) {
    const answer = vote(id);
    if (answer === undefined) open += 1;
    else if (answer) yes += 1;
  }
  if (ids.length === 0 || yes >= enough) return 'won';
  return yes + open >= enough ? 'pending' : 'lost';
}

/**
 * Returns the result of an election. In a joint membership, a candidate needs a majority of the old
 * and of the new voters. It loses as soon as it cannot win one of them.
 */
export function voteResult(
  { voters, outgoing, founded }: Membership,
  vote: (id: ServerId) => boolean | undefined,
): VoteResult {
  const incoming = voteOf(voters, founded, vote);
  const leaving = voteOf(outgoing, founded, vote);
  if (incoming === leaving) return incoming;
  return incoming === 'lost' || leaving === 'lost' ? 'lost' : 'pending';
}
