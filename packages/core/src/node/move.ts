import { KontikiError } from '../errors.js';
import type { Owner } from '../ports/log-store.js';
import { checkWhere } from '../store/moved.js';
import { compareLogs, compareSnapshots } from './move-compare.js';
import { pageOf, using, type MoveProgress, type Opened, type Stores } from './opened.js';

export interface MoveOptions extends Owner {
  readonly from: Stores;
  /** Blank ones. */
  readonly to: Stores;
  /** What the old log will say of where its server has gone, to whoever starts it by mistake. */
  readonly where: string;
  readonly progress?: ((progress: MoveProgress) => void) | undefined;
}

/**
 * Moves a server that does not run to other stores, all of which are closed: copies snapshots, ballot and entries, opens
 * the copy again and compares all of it, and then retires the old log, which refuses every later start with
 * `KONTIKI_MOVED`. A server that went on from it would have forgotten what it voted and acknowledged since.
 *
 * What fails before that leaves the old stores as they were, and the new ones to be thrown away: `KONTIKI_LOST_DATA` when
 * the old log is blank, `KONTIKI_NOT_BLANK` when the new stores hold anything, `KONTIKI_UNSUPPORTED` when the old log
 * cannot be retired or its snapshots have nowhere to go, `KONTIKI_CORRUPT` when the copy differs, `KONTIKI_BAD_OPTION` when
 * `where` is too long. What fails later, or is cut off, may have retired the old log already: throw the copy away only if
 * that opens. If it refuses with `KONTIKI_MOVED`, the copy is whole and all that there is. The server may start on the new
 * stores only after this has resolved, or the old log has refused so.
 */
export async function moveServer({ cluster, server, from, to, where, progress }: MoveOptions): Promise<void> {
  const owner = { cluster, server };
  checkWhere(where);
  if (from.log.retire === undefined) {
    throw unsupported('The old log cannot be retired: nothing would keep this server from starting on both.');
  }
  await using(from, owner, async (source) => {
    if (source.state.ballot === undefined && source.state.last === 0) {
      const text = `There is no log of server ${server} to move. If it is not elsewhere it is lost: remove the server from the cluster and add a new id.`;
      throw new KontikiError('KONTIKI_LOST_DATA', text);
    }
    if (source.snapshots.length > 0 && to.snapshots === undefined) {
      throw unsupported(`There are ${source.snapshots.length} snapshots, and no store to move them to.`);
    }
    await using(to, owner, async (target) => {
      if (target.state.ballot !== undefined || target.state.last > 0 || target.snapshots.length > 0) {
        const text = 'The new stores hold something already. Give a place where nothing is yet.';
        throw new KontikiError('KONTIKI_NOT_BLANK', text);
      }
      await copySnapshots(source, target, progress);
      await copyLog(source, target, progress);
    });
    await using(to, owner, async (copy) => {
      await compareSnapshots(source, copy, progress);
      await compareLogs(source, copy, progress);
    });
    await source.log.retire?.(where);
  });
}

async function copySnapshots(source: Opened, target: Opened, progress: MoveOptions['progress']): Promise<void> {
  const total = source.snapshots.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const snapshot of source.snapshots) {
    const writer = await target.store?.create(snapshot);
    for await (const bytes of source.store?.read(snapshot.id) ?? []) {
      await writer?.write(bytes);
      progress?.({ step: 'copying snapshots', done: (done += bytes.length), total });
    }
    // It checks that all of it has come, and that none of it is damaged.
    await writer?.finish();
  }
}

async function copyLog(source: Opened, target: Opened, progress: MoveOptions['progress']): Promise<void> {
  const { base, last, ballot, committed } = source.state;
  // First, so that no crash leaves a log that has forgotten its vote.
  if (ballot !== undefined) await target.log.append({ ballot });
  if (base.index > 0) await target.log.reset(base);
  const total = last - base.index;
  for (let from = base.index + 1; from <= last;) {
    const entries = await pageOf(source, from, last);
    from += entries.length;
    await target.log.append({ entries, committed: Math.min(committed, from - 1) });
    progress?.({ step: 'copying entries', done: from - 1 - base.index, total });
  }
}

function unsupported(text: string): KontikiError {
  return new KontikiError('KONTIKI_UNSUPPORTED', text);
}
