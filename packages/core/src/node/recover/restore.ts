import { KontikiError } from '../../errors.js';
import { randomHex } from '../../id.js';
import type { LogStore, Owner } from '../../ports/log-store.js';
import type { SnapshotInfo, SnapshotMeta, SnapshotStore, SnapshotWriter } from '../../ports/snapshot-store.js';
import { restoredGenesis } from '../../wire/genesis.js';
import { readSnapshotHead } from '../../wire/index.js';
import { rewriteSnapshot } from '../../wire/snapshot.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, limitedAlone } from '../calls/limited.js';
import { withOpenStores, type OpenStores } from '../move/compare.js';
import { badOption, type Names } from '../options.js';
import { checkLogMatches } from '../start/fit.js';
import { onlyVoter } from './only-voter.js';

export interface RestoreOptions extends Owner, CallOptions {
  /**
   * The new cluster's id, created by `createClusterId`. It must differ from the id of the
   * snapshot's cluster.
   */
  readonly cluster: string;
  /** The address at which other servers reach this server. */
  readonly address: string;
  /** Data that the application publishes for the server. Default: the empty string. */
  readonly metadata?: string | undefined;
}

const restoreOptions: Names<RestoreOptions> = {
  ...callOptions,
  cluster: true,
  server: true,
  address: true,
  metadata: true,
};

/**
 * Starts a new cluster of one server with the state from a saved snapshot. `source` returns the
 * bytes of the snapshot; every byte is checked. The log and the snapshot store must be blank.
 * Resolves with the restored snapshot when all data is durable. Other servers can then join the
 * cluster.
 *
 * After an error or a crash, the server is either restored or still blank. In that case, call this
 * function again with the same options. The second call completes the restore, or rejects with
 * `KONTIKI_NOT_BLANK` if the log already contains the snapshot. Rejects with
 * - `KONTIKI_CORRUPT` if the snapshot is damaged,
 * - `KONTIKI_FORMAT` if a newer version wrote the snapshot,
 * - `KONTIKI_NOT_BLANK` if the stores contain other data,
 * - `KONTIKI_BAD_OPTION` if the cluster's id is the same as the snapshot's, or an option is
 *   invalid.
 */
export function restoreServer(
  log: LogStore,
  snapshots: SnapshotStore,
  source: AsyncIterable<Uint8Array>,
  options: RestoreOptions,
): Promise<SnapshotInfo> {
  return limitedAlone(
    options,
    (signal) =>
      withOpenStores({ log, snapshots }, options, (stores) => restoreInto(stores, snapshots, source, options, signal)),
    restoreOptions,
  );
}

async function restoreInto(
  { log, state, snapshots: held }: OpenStores,
  store: SnapshotStore,
  source: AsyncIterable<Uint8Array>,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<SnapshotInfo> {
  const { server } = options;
  if (state.last > 0) {
    const text = `The log of ${server} holds entries up to ${state.last}, so it is restored or has run before. Start the server, or use blank stores.`;
    throw new KontikiError('KONTIKI_NOT_BLANK', text);
  }
  checkLogMatches(state, held);
  const copy = rewriteSnapshot(source, (head) => restoredMeta(head, options));
  let writer: SnapshotWriter | undefined;
  try {
    let meta: SnapshotMeta | undefined;
    for await (const piece of copy) {
      signal.throwIfAborted();
      if (meta === undefined) {
        meta = readSnapshotHead(piece);
        const finished = findFinished(held, meta, server);
        if (finished !== undefined) return await install(log, finished);
        writer = await store.create(meta);
      }
      await writer?.write(piece);
    }
    // After these writes, the stores look like those of a server that is receiving its first
    // snapshot: a ballot, a complete snapshot, and a blank log. After a crash, the next start
    // completes the installation.
    const { term } = (meta as SnapshotMeta).last;
    await log.append({ ballot: { term, votedFor: server } });
    return await install(log, await (writer as SnapshotWriter).finish());
  } catch (error) {
    await writer?.abort();
    throw error;
  }
}

/** Returns the description of the restored snapshot, adapted to the new cluster. */
function restoredMeta(
  { id, cluster: old, last, time, membership: { membership: previous }, version }: SnapshotMeta,
  { cluster, server, address, metadata = '' }: RestoreOptions,
): SnapshotMeta {
  if (cluster === old) {
    throw badOption(
      `cluster must be a new id, not ${old}: servers of the old cluster must not reach the restored one. Draw it with createClusterId.`,
    );
  }
  const membership = onlyVoter(server, { address, metadata }, previous);
  const genesis = restoredGenesis(cluster, id, { kind: 'membership', ...last, membership });
  return {
    id: randomHex(16),
    cluster,
    last,
    time,
    membership: { index: last.index, membership },
    genesis,
    version,
  };
}

/**
 * Returns the snapshot that an interrupted call has already completed. Throws if the store contains
 * a different snapshot.
 */
function findFinished(
  held: readonly SnapshotInfo[],
  { genesis, last }: SnapshotMeta,
  server: string,
): SnapshotInfo | undefined {
  const [newest] = held;
  if (newest === undefined) return undefined;
  if (held.length === 1 && newest.genesis === genesis && newest.last.index === last.index) return newest;
  const text = `The snapshot store of ${server} holds a snapshot of entry ${newest.last.index} already. Use blank stores.`;
  throw new KontikiError('KONTIKI_NOT_BLANK', text);
}

async function install(log: LogStore, snapshot: SnapshotInfo): Promise<SnapshotInfo> {
  const { last, membership, genesis } = snapshot;
  await log.reset({ ...last, membership, genesis });
  return snapshot;
}
