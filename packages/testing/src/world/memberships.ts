import type { Membership, ServerId } from '@kontiki/core';

function isMajority(of: readonly ServerId[], has: (id: ServerId) => boolean): boolean {
  return of.filter(has).length * 2 > of.length;
}

/**
 * Returns whether the servers for which `has` returns true are a quorum. In a joint membership, a
 * quorum needs a majority of both halves.
 */
export function isQuorum({ voters, outgoing }: Membership, has: (id: ServerId) => boolean): boolean {
  return isMajority(voters, has) && (outgoing.length === 0 || isMajority(outgoing, has));
}

/**
 * Returns whether every quorum of one membership shares a server with every quorum of the other.
 */
export function quorumsOverlap(a: Membership, b: Membership): boolean {
  const ids = [...new Set([...a.voters, ...a.outgoing, ...b.voters, ...b.outgoing])];
  for (let group = 0; group < 2 ** ids.length; group += 1) {
    const has = (id: ServerId): boolean => ((group >> ids.indexOf(id)) & 1) === 1;
    if (isQuorum(a, has) && isQuorum(b, (id) => !has(id))) return false;
  }
  return true;
}
