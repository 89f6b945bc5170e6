import { KontikiError } from '../../errors.js';
import type { Entry } from '../../log/entry.js';
import type { MembershipAt } from '../../log/membership.js';
import type { LogState, LogStore, Owner } from '../../ports/log-store.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import { entriesLength, membershipLength, writeEntries, writeMembership } from '../../wire/index.js';
import { Writer } from '../../wire/writer.js';
import { readEntries } from '../read-entries.js';

/** Maximum bytes of entries to read and write at once. */
const PAGE_BYTES = 1024 * 1024;

/** The stores of one server. */
export interface Stores {
  readonly log: LogStore;
  readonly snapshots?: SnapshotStore | undefined;
}

/** The stores of one server once they are open, with their contents. */
export interface OpenStores {
  readonly log: LogStore;
  readonly state: LogState;
  readonly store: SnapshotStore | undefined;
  /** The snapshots in the store, oldest first. */
  readonly snapshots: readonly SnapshotInfo[];
}

/** The progress of moving a server to other stores. */
export interface MoveProgress {
  readonly step: 'copying snapshots' | 'copying entries' | 'comparing snapshots' | 'comparing entries';
  /** How much of this step has been completed, as a number of snapshot bytes or entries. */
  readonly done: number;
  readonly total: number;
}

export type OnMoveProgress = ((progress: MoveProgress) => void) | undefined;

/**
 * Opens the stores, calls `use`, and resolves with the result. Finally, closes every store that it
 * opened, even after an error.
 */
export async function withOpenStores<T>(
  stores: Stores,
  owner: Owner,
  use: (open: OpenStores) => Promise<T>,
): Promise<T> {
  const { log, snapshots: store } = stores;
  const state = await log.open(owner);
  try {
    await store?.open(owner);
    try {
      const snapshots = [...((await store?.list()) ?? [])].reverse();
      return await use({ log, state, store, snapshots });
    } finally {
      await store?.close();
    }
  } finally {
    await log.close();
  }
}

/** Reads a page of entries that starts at `from` and ends at `to` or earlier. */
export function readPage({ log }: OpenStores, from: number, to: number): Promise<readonly Entry[]> {
  return readEntries(log, from, to, PAGE_BYTES);
}

/**
 * Rejects with `KONTIKI_CORRUPT` if a copied log differs from its source in its state or in any
 * entry.
 */
export async function compareLogs(source: OpenStores, copy: OpenStores, onProgress: OnMoveProgress): Promise<void> {
  const { base, last } = source.state;
  if (summary(source.state) !== summary(copy.state)) throw differs('the state of the log');
  const total = last - base.index;
  for (let from = base.index + 1; from <= last;) {
    const entries = await readPage(source, from, last);
    const to = from + entries.length - 1;
    const copied: Entry[] = [];
    while (copied.length < entries.length) copied.push(...(await readPage(copy, from + copied.length, to)));
    if (!equal(encoded(entries), encoded(copied))) throw differs(`one of the entries ${from} to ${to}`);
    from = to + 1;
    onProgress?.({ step: 'comparing entries', done: to - base.index, total });
  }
}

/** Rejects with `KONTIKI_CORRUPT` if the copied snapshots differ from their sources in any byte. */
export async function compareSnapshots(
  source: OpenStores,
  copy: OpenStores,
  onProgress: OnMoveProgress,
): Promise<void> {
  const total = source.snapshots.reduce((sum, { bytes }) => sum + bytes, 0);
  if (String(source.snapshots.map(({ id }) => id)) !== String(copy.snapshots.map(({ id }) => id)))
    throw differs('the list of snapshots');
  let done = 0;
  for (const { id, last } of source.snapshots) {
    const copied = pieces(copy.store?.read(id));
    for await (const bytes of source.store?.read(id) ?? []) {
      if (!equal(bytes, await copied.take(bytes.length))) throw differs(`the snapshot of entry ${last.index}`);
      onProgress?.({ step: 'comparing snapshots', done: (done += bytes.length), total });
    }
    if ((await copied.take(1)).length > 0) throw differs(`the snapshot of entry ${last.index}`);
  }
}

/** Splits a stream of bytes into pieces of the requested lengths. The last piece may be shorter. */
function pieces(stream: AsyncIterable<Uint8Array> = none()): { take(length: number): Promise<Uint8Array> } {
  const rest = stream[Symbol.asyncIterator]();
  let held = new Uint8Array(0);
  return {
    take: async (length) => {
      const piece = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        if (held.length === 0) {
          const next = await rest.next();
          if (next.done === true) break;
          held = next.value as Uint8Array<ArrayBuffer>;
        }
        const part = held.subarray(0, length - filled);
        piece.set(part, filled);
        filled += part.length;
        held = held.subarray(part.length);
      }
      return piece.subarray(0, filled);
    },
  };
}

async function* none(): AsyncIterable<Uint8Array> {}

/**
 * Returns a string that contains all fields of a log's state except the commit index, which is only
 * a hint.
 */
function summary({ ballot, life, base, last, terms, memberships, genesis }: LogState): string {
  const at = ({ index, membership }: MembershipAt): string => {
    const writer = new Writer(membershipLength(membership));
    writeMembership(writer, membership);
    return `${index}:${String(writer.bytes)}`;
  };
  return JSON.stringify([
    [ballot?.term, ballot?.votedFor, life?.id, life?.starts],
    [base.index, base.term, base.membership && at(base.membership)],
    [last, genesis],
    terms.map(({ index, term }) => [index, term]),
    memberships.map(at),
  ]);
}

function encoded(entries: readonly Entry[]): Uint8Array {
  const writer = new Writer(entriesLength(entries));
  writeEntries(writer, entries);
  return writer.bytes;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function differs(what: string): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `The copy differs from the original in ${what}. The original is unchanged. Delete the copy and check both disks.`,
  );
}
