import { KontikiError } from '../errors.js';
import { checkId } from '../id.js';
import { membershipFault, membershipOf } from '../log/membership.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import type { LogStore } from '../ports/log-store.js';
import { membershipOversize } from '../wire/membership.js';
import { badOption } from './options.js';

export interface BootstrapOptions {
  /** The cluster's id, from `createClusterId`. */
  readonly cluster: string;
  /** The server whose log this is. */
  readonly server: ServerId;
  /** The first voters, by id: their addresses, with metadata if there is any. The same on every one of them. */
  readonly members: Readonly<Record<ServerId, string | ServerInfo>>;
}

/**
 * Begins a cluster, once, on each of its first servers and before any of them runs: writes the first entry, the
 * membership, committed by definition. Resolves when it is durable. Refused with `KONTIKI_NOT_BLANK` on a log that
 * holds anything: a server that has lost its disk must not begin anew, it would forget what it voted and acknowledged.
 */
export async function bootstrap(log: LogStore, options: BootstrapOptions): Promise<void> {
  const { cluster, server, members } = options;
  checkId('cluster', cluster);
  // Sorted, so that the same members in another order make the same first entry.
  const infos = Object.keys(members)
    .sort()
    .map((id): [ServerId, ServerInfo] => {
      const member = members[id] as string | ServerInfo;
      return [checkId('a member id', id), typeof member === 'string' ? { address: member, metadata: '' } : member];
    });
  const membership = membershipOf(infos);
  const fault = membershipFault(membership) ?? membershipOversize(membership);
  if (fault !== undefined) throw badOption(`These members cannot begin a cluster: ${fault}.`);
  if (!membership.servers.has(server)) throw badOption(`${server} is not among the members it is to begin with.`);
  const state = await log.open({ cluster, server });
  try {
    if (state.last > 0) {
      throw new KontikiError(
        'KONTIKI_NOT_BLANK',
        `The log of ${server} holds entries up to ${state.last}: its cluster has begun already. Start the node instead.`,
      );
    }
    await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
  } finally {
    await log.close();
  }
}

/** Draws a cluster's id, once for all its servers: `billing` becomes, say, `billing-9f2c41d07ab3`. */
export function createClusterId(name: string): string {
  if (!/^[A-Za-z0-9._-]{1,40}$/.test(name)) {
    throw badOption(`A cluster's name must be 1 to 40 characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(name)}.`);
  }
  const random = crypto.getRandomValues(new Uint8Array(6));
  return `${name}-${Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
