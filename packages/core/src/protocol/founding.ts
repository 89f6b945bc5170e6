import type { Membership } from '../log/membership.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';

/**
 * Returns the next membership if stores of voters must be recorded or if the founding ends;
 * undefined if there is nothing to do. Called by a leader whose membership is committed.
 *
 * A cluster that begins with several servers is founded in two entries. The first one names the
 * store of each voter, and the second one, after the first is committed, ends the founding. Before
 * the second one every decision needs all voters. So a server that loses its disk during that time
 * cannot lose anything that the others do not have, and after it, the server no longer counts.
 */
export function withStores(server: Server, peers: ReadonlyMap<ServerId, Progress>): Membership | undefined {
  const { membership, id, life } = server;
  const { founded, voters, servers, level } = membership;
  if (level === 0) return undefined;
  const stores = new Map<ServerId, StoreId | undefined>();
  for (const voter of voters) {
    const recorded = founded ? servers.get(voter)?.store : undefined;
    const progress = peers.get(voter);
    // A disk without acknowledged entries may be a blank one in the place of a lost one.
    const found = progress !== undefined && progress.match > 0 ? progress.store : undefined;
    stores.set(voter, recorded ?? (voter === id ? life?.id : found));
  }
  if (!founded && [...stores.values()].includes(undefined)) return undefined;
  const areRecorded = voters.every((voter) => servers.get(voter)?.store === stores.get(voter));
  if (areRecorded && founded) return undefined;
  const named = [...servers].map(([name, info]) => [name, { ...info, store: stores.get(name) }] as const);
  return { ...membership, founded: founded || areRecorded, servers: new Map(named) };
}
