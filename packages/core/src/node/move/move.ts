import { KontikiError } from '../../errors.js';
import type { Owner } from '../../ports/log-store.js';
import { checkWhere } from '../../store/moved.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, limitedAlone } from '../calls/limited.js';
import type { Names } from '../options.js';
import {
  compareLogs,
  compareSnapshots,
  readPage,
  withOpenStores,
  type MoveProgress,
  type OnMoveProgress,
  type OpenStores,
  type Stores,
} from './compare.js';

export interface MoveOptions extends Owner, CallOptions {
  readonly from: Stores;
  /** The server's new stores, which must be blank. */
  readonly to: Stores;
  /**
   * The server's new location. If the server is later started on the old log, the error message
   * contains this location.
   */
  readonly where: string;
  readonly onProgress?: ((progress: MoveProgress) => void) | undefined;
}

const moveOptions: Names<MoveOptions> = {
  ...callOptions,
  cluster: true,
  server: true,
  from: true,
  to: true,
  where: true,
  onProgress: true,
};

/**
 * Moves a stopped server to other stores. All stores must be closed. Copies snapshots, ballot and
 * entries, opens the copy again, and compares every byte. Finally retires the old log, so that
 * every later start on the old log rejects with `KONTIKI_MOVED`. Otherwise, a server could start on
 * the old log again, without the votes and acknowledgements that it has sent since the move.
 *
 * If this function rejects before it retires the old log, the old stores are unchanged. Delete the
 * new stores in that case. The error codes are
 * - `KONTIKI_LOST_DATA` if the old log is blank,
 * - `KONTIKI_NOT_BLANK` if the new stores contain data,
 * - `KONTIKI_UNSUPPORTED` if the old log cannot be retired, or if there is no store for its
 *   snapshots,
 * - `KONTIKI_CORRUPT` if the copy differs,
 * - `KONTIKI_BAD_OPTION` if `where` is too long.
 *
 * If the call times out or is aborted, the move stops at its next step.
 *
 * After a later failure or a crash, the old log may be retired. If opening the old log rejects with
 * `KONTIKI_MOVED`, the copy is complete. If the old log still opens, delete the copy. Start the
 * server on the new stores only after this function has resolved, or after the old log has rejected
 * with `KONTIKI_MOVED`.
 */
export function moveServer(options: MoveOptions): Promise<void> {
  return limitedAlone(options, (signal) => move(options, signal), moveOptions);
}

async function move(options: MoveOptions, signal: AbortSignal): Promise<void> {
  const { cluster, server, from, to, where } = options;
  const onProgress = (progress: MoveProgress): void => {
    signal.throwIfAborted();
    options.onProgress?.(progress);
  };
  const owner = { cluster, server };
  checkWhere(where);
  if (from.log.retire === undefined) {
    throw unsupported('The old log cannot be retired, so nothing would stop this server from starting on both logs.');
  }
  await withOpenStores(from, owner, async (source) => {
    signal.throwIfAborted();
    if (source.state.ballot === undefined && source.state.last === 0) {
      const text = `There is no log of server ${server} to move. If the log is not elsewhere, it is lost: remove the server from the cluster and add a new id.`;
      throw new KontikiError('KONTIKI_LOST_DATA', text);
    }
    if (source.snapshots.length > 0 && to.snapshots === undefined) {
      throw unsupported(`There are ${source.snapshots.length} snapshots, but no store to move them to.`);
    }
    await withOpenStores(to, owner, async (target) => {
      signal.throwIfAborted();
      if (target.state.ballot !== undefined || target.state.last > 0 || target.snapshots.length > 0) {
        const text = 'The new stores already hold data. Choose an empty location.';
        throw new KontikiError('KONTIKI_NOT_BLANK', text);
      }
      await copySnapshots(source, target, onProgress);
      await copyLog(source, target, onProgress);
    });
    await withOpenStores(to, owner, async (copy) => {
      signal.throwIfAborted();
      await compareSnapshots(source, copy, onProgress);
      await compareLogs(source, copy, onProgress);
    });
    signal.throwIfAborted();
    await source.log.retire?.(where);
  });
}

async function copySnapshots(source: OpenStores, target: OpenStores, onProgress: OnMoveProgress): Promise<void> {
  const total = source.snapshots.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const snapshot of source.snapshots) {
    const writer = await target.store?.create(snapshot);
    for await (const bytes of source.store?.read(snapshot.id) ?? []) {
      await writer?.write(bytes);
      onProgress?.({ step: 'copying snapshots', done: (done += bytes.length), total });
    }
    // `finish` checks that the snapshot is complete and undamaged.
    await writer?.finish();
  }
}

async function copyLog(source: OpenStores, target: OpenStores, onProgress: OnMoveProgress): Promise<void> {
  const { base, last, ballot, life, committed } = source.state;
  // Write the ballot first. Otherwise, a crash could leave behind a log that lacks the server's
  // vote.
  await target.log.append({ ballot, life });
  if (base.index > 0) await target.log.reset(base);
  const total = last - base.index;
  for (let from = base.index + 1; from <= last;) {
    const entries = await readPage(source, from, last);
    from += entries.length;
    await target.log.append({ entries, committed: Math.min(committed, from - 1) });
    onProgress?.({ step: 'copying entries', done: from - 1 - base.index, total });
  }
}

function unsupported(text: string): KontikiError {
  return new KontikiError('KONTIKI_UNSUPPORTED', text);
}
