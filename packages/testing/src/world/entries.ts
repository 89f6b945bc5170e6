import type { Entry, ServerId } from '@kontiki/core';
import type { InvariantChecker } from './invariant-checker.js';

/** An entry as it was first seen in any log. */
interface Known {
  readonly term: number;
  readonly prevTerm: number;
  readonly time: number | undefined;
  readonly data: Uint8Array | undefined;
}

interface Committed {
  readonly term: number;
  /** The term in which a server first reported the entry as committed. */
  readonly inTerm: number;
}

/** Returns the term at an index of a server's log, or undefined if the log has no entry there. */
type TermAt = (index: number) => number | undefined;

/** Returns the highest log time that any entry can have at this moment. */
export type LatestTime = () => number;

/** Returns whether an entry is durable on a quorum of the membership that server `id` uses. */
export type OnQuorum = (id: ServerId, index: number, term: number) => boolean;

/**
 * Checks logged, committed and applied entries. Most methods are called when an event occurs on a
 * server.
 */
export class Entries {
  readonly #invariants: InvariantChecker;
  readonly #onQuorum: OnQuorum;
  readonly #latestTime: LatestTime;
  /** All entries that any log ever had at each index, one per term. */
  #known: Known[][] = [];
  /**
   * The committed entries. The entry with index `i` is at position `i - 1`. The first entry, which
   * contains the initial membership, is committed by definition.
   */
  readonly #committed: Committed[] = [{ term: 1, inTerm: 0 }];
  readonly #appliedAt = new Map<number, number>();

  constructor(invariants: InvariantChecker, onQuorum: OnQuorum, latestTime: LatestTime) {
    this.#invariants = invariants;
    this.#onQuorum = onQuorum;
    this.#latestTime = latestTime;
  }

  /**
   * Returns new checks after a recovery, which commits the entries with these terms and discards
   * all others.
   */
  recovered(terms: readonly number[], onQuorum: OnQuorum): Entries {
    const next = new Entries(this.#invariants, onQuorum, this.#latestTime);
    // A leader of the old epoch may have appended another entry in the term of the recovery.
    next.#known = this.#known.slice(0, terms.length);
    next.#committed.splice(0, 1, ...terms.map((term) => ({ term, inTerm: 0 })));
    return next;
  }

  /** The number of committed entries. */
  get committed(): number {
    return this.#committed.length;
  }

  /** Returns the term of the committed entry at an index. */
  termOf(index: number): number | undefined {
    return this.#committed[index - 1]?.term;
  }

  /** Called when a server appends entries to its log. */
  issued(id: ServerId, prevTermOfFirst: number, entries: readonly Entry[]): void {
    let prevTerm = prevTermOfFirst;
    for (const entry of entries) {
      const { index, term, time } = entry;
      const data = entry.kind === 'command' ? entry.data : undefined;
      this.#checkTime(id, entry, prevTerm);
      const here = (this.#known[index] ??= []);
      const known = here.find((other) => other.term === term);
      // Keep a copy, to detect whether the entry's memory is changed later.
      if (known === undefined) here.push({ term, prevTerm, time, data: data && new Uint8Array(data) });
      else {
        const same = known.prevTerm === prevTerm && known.time === time && sameBytes(known.data, data);
        this.#invariants.check(
          'logMatching',
          same,
          () => `${id} has a different entry ${index} of term ${term}, or a different entry before it`,
        );
      }
      prevTerm = term;
    }
  }

  #checkTime(id: ServerId, { index, time }: Entry, prevTerm: number): void {
    const before = this.#known[index - 1]?.find(({ term }) => term === prevTerm)?.time ?? 0;
    this.#invariants.check(
      'logTimeIsSteady',
      before <= (time ?? 0) && (time ?? 0) <= this.#latestTime(),
      () => `${id} stamps entry ${index} with ${time} at ${this.#latestTime()}, after an entry with ${before}`,
    );
  }

  /** Called when a server in term `inTerm` reports the entries `from` to `to` as committed. */
  commits(id: ServerId, inTerm: number, from: number, to: number, termAt: TermAt): void {
    for (let index = from; index <= to; index += 1) {
      const term = termAt(index) as number;
      const known = this.#committed[index - 1];
      if (known !== undefined) {
        this.#invariants.check(
          'stateMachineSafety',
          known.term === term,
          () => `${id} commits a different entry ${index}`,
        );
        continue;
      }
      const durable = this.#onQuorum(id, index, term);
      this.#invariants.check(
        'commitIsDurable',
        durable,
        () => `${id} commits entry ${index}, which is not durable on a quorum`,
      );
      this.#committed.push({ term, inTerm });
    }
  }

  /**
   * Called when a server becomes leader. The server must have every entry that was committed in an
   * earlier term. Because of Log Matching, it is enough to check the last of these entries.
   */
  leads(id: ServerId, leads: number, termAt: TermAt): void {
    const index = this.#committed.findLastIndex(({ inTerm }) => inTerm < leads) + 1;
    if (index === 0) return;
    const complete = termAt(index) === this.#committed[index - 1]?.term;
    this.#invariants.check(
      'leaderCompleteness',
      complete,
      () => `${id} leads term ${leads} without committed entry ${index}`,
    );
  }

  /**
   * Returns the indices of the commands in a log from `after` (exclusive) to `through` (inclusive).
   */
  commands(after: number, through: number, termAt: TermAt): number[] {
    const indices: number[] = [];
    for (let index = after + 1; index <= through; index += 1) {
      const term = termAt(index);
      if (this.#known[index]?.find((known) => known.term === term)?.data !== undefined) indices.push(index);
    }
    return indices;
  }

  /** Called when a server applies an entry. For a command entry, `data` is the command. */
  applied(id: ServerId, index: number, term: number, data?: Uint8Array): void {
    const known = this.#known[index]?.find((other) => other.term === term);
    this.#invariants.check(
      'logMatching',
      known === undefined || sameBytes(known.data, data),
      () => `${id} applies entry ${index} of term ${term} with other bytes than were proposed`,
    );
    const committed = this.#committed[index - 1]?.term;
    const agreed = committed === undefined || committed === term;
    this.#invariants.check(
      'stateMachineSafety',
      agreed,
      () => `${id} applies entry ${index} of term ${term}, not of ${committed}`,
    );
    const before = this.#appliedAt.get(index);
    this.#invariants.check(
      'stateMachineSafety',
      before === undefined || before === term,
      () => `two different entries are applied at index ${index}`,
    );
    this.#appliedAt.set(index, term);
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}
