import type { Membership, ServerId } from '@kontiki/core';

function areEnough(of: readonly ServerId[], founded: boolean, has: (id: ServerId) => boolean): boolean {
  return founded ? of.filter(has).length * 2 > of.length : of.every(has);
}

/**
 * Returns whether the servers for which `has` returns true are a quorum. In a joint membership, a
 * quorum needs a majority of both halves. Before the cluster is founded, a quorum needs all voters.
 */
export function isQuorum({ voters, outgoing, founded }: Membership, has: (id: ServerId) => boolean): boolean {
  return areEnough(voters, founded, has) && (outgoing.length === 0 || areEnough(outgoing, founded, has));
}

/** Returns whether every quorum of one membership shares a server with every quorum of another. */
export function quorumsOverlap(a: Membership, b: Membership): boolean {
  const ids = [...new Set([...a.voters, ...a.outgoing, ...b.voters, ...b.outgoing])];
  for (let group = 0; group < 2 ** ids.length; group += 1) {
    const has = (id: ServerId): boolean => ((group >> ids.indexOf(id)) & 1) === 1;
    if (isQuorum(a, has) && isQuorum(b, (id) => !has(id))) return false;
  }
  return true;
}
