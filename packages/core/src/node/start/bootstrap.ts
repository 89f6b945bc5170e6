import { KontikiError } from '../../errors.js';
import { checkId, randomHex } from '../../id.js';
import { membershipFault, membershipOf, type Membership } from '../../log/membership.js';
import type { ServerId, ServerInfo, StoreId } from '../../log/server.js';
import type { LogStore, Owner } from '../../ports/log-store.js';
import type { SnapshotStore } from '../../ports/snapshot-store.js';
import type { Transport } from '../../ports/transport.js';
import { membershipOversize } from '../../wire/membership.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, limitedAlone } from '../calls/limited.js';
import { addressFault, serverInfo } from '../members/server-info.js';
import { describe } from '../describe.js';
import { badOption, type Names } from '../options.js';
import { drawNumber } from './count-start.js';

export interface BootstrapOptions extends CallOptions {
  /** The cluster's id, created by `createClusterId`. */
  readonly cluster: string;
  /** The id of the server that owns the log. */
  readonly server: ServerId;
  /**
   * The initial voters by id, each with an address, or with address and metadata. Every initial
   * voter must be bootstrapped with the same members.
   */
  readonly members: Readonly<Record<ServerId, string | ServerInfo>>;
  /**
   * The transport that the servers will use. If set, the transport checks the addresses before they
   * are written. Otherwise, the first `RaftNode.open` checks them.
   */
  readonly transport?: Transport | undefined;
  /**
   * The snapshot store that the server will use. If set, a snapshot in this store proves that the
   * server has run before and lost its log.
   */
  readonly snapshots?: SnapshotStore | undefined;
  /**
   * A random number generator for the id of the log store. It returns uniformly distributed numbers
   * in [0, 1). Default: `Math.random`.
   */
  readonly random?: (() => number) | undefined;
}

const bootstrapOptions: Names<BootstrapOptions> = {
  ...callOptions,
  cluster: true,
  server: true,
  members: true,
  transport: true,
  snapshots: true,
  random: true,
};

/**
 * Starts a cluster by writing the first entry of the log. This entry contains the membership, and
 * counts as committed from the start. Call this function once for each initial server, before any
 * of these servers is started. Resolves when the entry is durable.
 *
 * Until all initial servers have been running at the same time, the cluster needs all of them to
 * elect a leader and to commit entries. Rejects with `KONTIKI_NOT_BLANK` if the log or `snapshots`
 * is not blank. Never call this function for a server that has lost its disk, because such a server
 * has forgotten its votes and acknowledgements.
 *
 * If the call rejects with `KONTIKI_TIMEOUT` or `KONTIKI_ABORTED`, the entry may have been written.
 * In that case, call this function again. The error `KONTIKI_NOT_BLANK` then means that the entry
 * was written.
 */
export function bootstrap(log: LogStore, options: BootstrapOptions): Promise<void> {
  return limitedAlone(options, (signal) => writeFirstEntry(log, options, signal), bootstrapOptions);
}

async function writeFirstEntry(log: LogStore, options: BootstrapOptions, signal: AbortSignal): Promise<void> {
  const { cluster, server, members, snapshots, random = Math.random } = options;
  checkId('cluster', cluster);
  if (typeof members !== 'object' || members === null)
    throw badOption(`members must be an object with the address of each server, not ${describe(members)}.`);
  // Sort the members, so that the first entry does not depend on the order in which the caller
  // listed them.
  const infos = Object.keys(members)
    .sort()
    .map((id): [ServerId, ServerInfo] => {
      return [id, serverInfo('members', id, members[id] as string | ServerInfo)];
    });
  // If there are several initial servers, none of them knows the stores of the others yet. Their
  // first leader records the stores.
  const membership = { ...membershipOf(infos), founded: infos.length === 1 };
  const fault = membershipFault(membership) ?? membershipOversize(membership) ?? addressFault(infos);
  if (fault !== undefined) throw badOption(`These members cannot form a cluster: ${fault}.`);
  if (!membership.servers.has(server)) throw badOption(`Server ${server} is not among the first members.`);
  options.transport?.checkAddresses?.(new Map(infos.map(([id, { address }]) => [id, address])));
  if (snapshots !== undefined) await refuseSnapshots(snapshots, { cluster, server });
  const state = await log.open({ cluster, server });
  try {
    signal.throwIfAborted();
    if (state.last > 0) {
      throw new KontikiError(
        'KONTIKI_NOT_BLANK',
        `The log of ${server} holds entries up to ${state.last}, so its cluster was bootstrapped already. Start the node instead.`,
      );
    }
    const life = state.life ?? { id: drawNumber(random), starts: 1 };
    const first = membership.founded ? withStore(membership, server, life.id) : membership;
    await log.append({ life, entries: [{ kind: 'membership', index: 1, term: 1, membership: first }], committed: 1 });
  } finally {
    await log.close();
  }
}

function withStore(membership: Membership, server: ServerId, store: StoreId): Membership {
  const servers = new Map([...membership.servers].map(([id, info]) => [id, id === server ? { ...info, store } : info]));
  return { ...membership, servers };
}

/**
 * Rejects if a store contains a snapshot, because the server has then run before. Always closes the
 * store.
 */
async function refuseSnapshots(snapshots: SnapshotStore, owner: Owner): Promise<void> {
  await snapshots.open(owner);
  try {
    const [newest] = await snapshots.list();
    if (newest === undefined) return;
    throw new KontikiError(
      'KONTIKI_NOT_BLANK',
      `Server ${owner.server} has a snapshot of entry ${newest.last.index}, so it has run before. If its log is gone, the server has lost its votes and must not start again: remove it from the cluster and add a server with a new id.`,
    );
  } finally {
    await snapshots.close();
  }
}

/**
 * Returns a random cluster id, for example `billing-9f2c41d07ab3` for the name `billing`. Create
 * the id once and use it on all servers.
 */
export function createClusterId(name: string): string {
  if (!/^[A-Za-z0-9._-]{1,40}$/.test(name)) {
    throw badOption(`A cluster's name must be 1 to 40 characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(name)}.`);
  }
  return `${name}-${randomHex(6)}`;
}
