import type { Membership } from '../log/membership.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';

/**
 * Returns the next membership if the voters' stores must be recorded, or if the founding of the
 * cluster can end; undefined otherwise. A leader calls this function when its membership has been
 * committed.
 *
 * Founding a cluster of several servers takes two entries. The first entry records the identity of
 * each voter's store. The second entry, appended after the first is committed, ends the founding.
 * Until then, every decision needs all voters, so no data is lost if a voter loses its disk. After
 * the founding, a voter with a different store does not count toward quorums.
 */
export function withStores(server: Server, peers: ReadonlyMap<ServerId, Progress>): Membership | undefined {
  const { membership, id, life } = server;
  const { founded, voters, servers, level } = membership;
  if (level === 0) return undefined;
  const stores = new Map<ServerId, StoreId | undefined>();
  for (const voter of voters) {
    const recorded = founded ? servers.get(voter)?.store : undefined;
    const progress = peers.get(voter);
    // A disk that has acknowledged no entries may be a blank replacement for a lost disk.
    const found = progress !== undefined && progress.match > 0 ? progress.store : undefined;
    stores.set(voter, recorded ?? (voter === id ? life?.id : found));
  }
  if (!founded && [...stores.values()].includes(undefined)) return undefined;
  const areRecorded = voters.every((voter) => servers.get(voter)?.store === stores.get(voter));
  if (areRecorded && founded) return undefined;
  const named = [...servers].map(([name, info]) => [name, { ...info, store: stores.get(name) }] as const);
  return { ...membership, founded: founded || areRecorded, servers: new Map(named) };
}
