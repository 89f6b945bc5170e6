import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { LogState } from '../ports/log-store.js';
import { entriesLength, membershipLength, writeEntries, writeMembership } from '../wire/index.js';
import { Writer } from '../wire/writer.js';
import { pageOf, type MoveProgress, type Opened } from './opened.js';

type Told = ((progress: MoveProgress) => void) | undefined;

/** Rejects with `KONTIKI_CORRUPT` when a copied log is not what it is a copy of, entry by entry. */
export async function compareLogs(source: Opened, copy: Opened, progress: Told): Promise<void> {
  const { base, last } = source.state;
  if (told(source.state) !== told(copy.state)) throw differs('the state of the log');
  const total = last - base.index;
  for (let from = base.index + 1; from <= last;) {
    const entries = await pageOf(source, from, last);
    const to = from + entries.length - 1;
    const copied: Entry[] = [];
    while (copied.length < entries.length) copied.push(...(await pageOf(copy, from + copied.length, to)));
    if (!equal(encoded(entries), encoded(copied))) throw differs(`one of the entries ${from} to ${to}`);
    from = to + 1;
    progress?.({ step: 'comparing entries', done: to - base.index, total });
  }
}

/** The same for snapshots, byte by byte. */
export async function compareSnapshots(source: Opened, copy: Opened, progress: Told): Promise<void> {
  const total = source.snapshots.reduce((sum, { bytes }) => sum + bytes, 0);
  if (String(source.snapshots.map(({ id }) => id)) !== String(copy.snapshots.map(({ id }) => id)))
    throw differs('the list of snapshots');
  let done = 0;
  for (const { id, last } of source.snapshots) {
    const copied = pieces(copy.store?.read(id));
    for await (const bytes of source.store?.read(id) ?? []) {
      if (!equal(bytes, await copied.take(bytes.length))) throw differs(`the snapshot of entry ${last.index}`);
      progress?.({ step: 'comparing snapshots', done: (done += bytes.length), total });
    }
    if ((await copied.take(1)).length > 0) throw differs(`the snapshot of entry ${last.index}`);
  }
}

/** Cuts a stream into pieces of the lengths that are asked for, the last apart. */
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

/** All that a log tells at its start; how much is known to be committed apart, which is a hint. */
function told({ ballot, base, last, terms, memberships, genesis }: LogState): string {
  const at = ({ index, membership }: MembershipAt): string => {
    const writer = new Writer(membershipLength(membership));
    writeMembership(writer, membership);
    return `${index}:${String(writer.bytes)}`;
  };
  return JSON.stringify([
    [ballot?.term, ballot?.votedFor],
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
    `The copy differs from the original in ${what}. The original is as it was; throw the copy away, and look at both disks.`,
  );
}
