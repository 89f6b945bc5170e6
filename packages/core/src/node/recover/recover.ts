import { KontikiError } from '../../errors.js';
import { randomHex } from '../../id.js';
import type { Position } from '../../log/entry.js';
import { isVoter, type Membership } from '../../log/membership.js';
import type { ServerInfo } from '../../log/server.js';
import type { LogStore } from '../../ports/log-store.js';
import { callOptions, limitedAlone } from '../calls/limited.js';
import { withOpenStores, type OpenStores } from '../move/compare.js';
import { badOption, type Names } from '../options.js';
import { lastOf, membershipIn, survey, type InspectOptions, type Survey } from './inspect.js';
import { logTimeAt } from '../start/log-time.js';
import { onlyVoter } from './only-voter.js';

export interface RecoverOptions extends InspectOptions {
  /**
   * The address at which other servers reach this server. Default: the server's address in its
   * newest membership.
   */
  readonly address?: string | undefined;
  /** The server's metadata. Default: the metadata in its newest membership. */
  readonly metadata?: string | undefined;
  /**
   * Whether to skip all checks of the server. Without `force`, the server must be one of several
   * voters, and must have the snapshot that precedes the first entry of its log. Default false.
   */
  readonly force?: boolean | undefined;
}

const recoverOptions: Names<RecoverOptions> = {
  ...callOptions,
  cluster: true,
  server: true,
  snapshots: true,
  address: true,
  metadata: true,
  force: true,
};

/** The position of the entry that a recovery wrote, and the new epoch. */
export interface Recovery extends Position {
  /** The new epoch, which is the same on all servers of the recovered cluster. */
  readonly epoch: string;
}

/**
 * Makes a stopped server the only member of its cluster, after a majority of the voters has been
 * lost permanently. Call this function for only one server: the server with the newest log (see
 * `inspectServer`). Every entry in its log becomes committed. Acknowledged entries that are missing
 * from its log are lost.
 *
 * The server gets a random epoch, and from then on refuses servers with other epochs. So delete the
 * data of all other servers, including those that become available again later, and add them under
 * new ids.
 *
 * The recovery writes one entry in one atomic step. After an error or a crash, the server is either
 * recovered or unchanged. Rejects with
 * - `KONTIKI_LOST_DATA` if the log is blank, or starts after a snapshot that is missing or damaged,
 * - `KONTIKI_BAD_CHANGE` if the server is not a voter, or is already the only voter,
 * - `KONTIKI_LOCKED` if the server is running,
 * - `KONTIKI_FOREIGN_DATA` if the log belongs to another server.
 */
export function recoverServer(log: LogStore, options: RecoverOptions): Promise<Recovery> {
  const { snapshots } = options;
  return limitedAlone(
    options,
    (signal) =>
      withOpenStores({ log, snapshots }, options, async (stores) => {
        const found = await survey(stores, signal);
        signal.throwIfAborted();
        return recover(stores, found, options);
      }),
    recoverOptions,
  );
}

async function recover({ log }: OpenStores, found: Survey, options: RecoverOptions): Promise<Recovery> {
  const { state, isReplaced } = found;
  const { server } = options;
  const current = membershipIn(state)?.membership;
  if (current === undefined) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The log of ${server} is blank, so there is nothing to recover. Recover a server that holds entries.`,
    );
  }
  if (options.force !== true) refuse(found, current, server);
  const membership = {
    ...onlyVoter(server, { ...infoOf(current, options), store: state.life?.id }, current),
    epoch: randomHex(16),
  };
  const last = lastOf(state);
  const term = Math.max(state.ballot?.term ?? 0, last.term) + 1;
  const index = last.index + 1;
  const time = (await logTimeAt(last.index, log, state, found.snapshot)) || undefined;
  // Finish an interrupted installation of a snapshot now. Otherwise, the next start would do so,
  // and would discard the new entry along with the old log.
  if (isReplaced) await log.reset(state.base);
  await log.append({
    ballot: { term, votedFor: server },
    entries: [{ kind: 'membership', index, term, time, membership }],
    committed: index,
  });
  return { index, term, epoch: membership.epoch };
}

function infoOf({ servers }: Membership, { server, address, metadata }: RecoverOptions): ServerInfo {
  const known = servers.get(server);
  const info = { address: address ?? known?.address, metadata: metadata ?? known?.metadata ?? '' };
  if (info.address !== undefined) return info as ServerInfo;
  throw badOption(`address is missing: the newest membership of ${server} does not name this server.`);
}

/**
 * Throws unless the server is one of several voters and has every snapshot that its log requires.
 */
function refuse({ state, snapshot }: Survey, current: Membership, server: string): void {
  const { voters, outgoing } = current;
  if (state.base.index > 0 && snapshot === undefined) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The log of ${server} begins after entry ${state.base.index}, but no intact snapshot reaches it. Name its snapshot store, or recover another server. Nothing was changed. If the state machine keeps its own state, set force.`,
    );
  }
  if (!isVoter(current, server)) {
    throw new KontikiError(
      'KONTIKI_BAD_CHANGE',
      `${server} is no voter in its newest membership, so it may lack acknowledged entries. Recover a voter: ${voters.join(', ')}. Nothing was changed. If all of them are lost, set force.`,
    );
  }
  if (voters.length === 1 && outgoing.length === 0) {
    throw new KontikiError(
      'KONTIKI_BAD_CHANGE',
      `${server} is the only voter of its cluster, so it needs no recovery: start it. Nothing was changed.`,
    );
  }
}
