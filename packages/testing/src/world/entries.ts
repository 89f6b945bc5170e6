import type { Entry, ServerId } from '@kontiki/core';
import type { InvariantChecker } from './invariant-checker.js';

/** An entry as it was first seen in any log. */
interface Known {
  readonly term: number;
  readonly prevTerm: number;
  readonly data: Uint8Array | undefined;
}

interface Committed {
  readonly term: number;
  /** The term of the server that was first seen to know. */
  readonly inTerm: number;
}

/** The term at an index of a server's log; undefined where it holds none. */
type TermAt = (index: number) => number | undefined;

/** Whether an entry is on the disks of a quorum, by the membership that the server `id` goes by. */
export type OnQuorum = (id: ServerId, index: number, term: number) => boolean;

/** Watches what stands in the logs, what is committed and what is applied. */
export class Entries {
  readonly #invariants: InvariantChecker;
  readonly #onQuorum: OnQuorum;
  /** By index: the entries of different terms that were ever in some log there. */
  readonly #known: Known[][] = [];
  /** By index - 1. The first entry, the membership, is committed by definition. */
  readonly #committed: Committed[] = [{ term: 1, inTerm: 0 }];
  readonly #appliedAt = new Map<number, number>();

  constructor(invariants: InvariantChecker, onQuorum: OnQuorum) {
    this.#invariants = invariants;
    this.#onQuorum = onQuorum;
  }

  /** How many are committed. */
  get committed(): number {
    return this.#committed.length;
  }

  /** The term of the entry that is committed at an index. */
  termOf(index: number): number | undefined {
    return this.#committed[index - 1]?.term;
  }

  /** A server takes entries into its log. */
  issued(id: ServerId, prevTermOfFirst: number, entries: readonly Entry[]): void {
    let prevTerm = prevTermOfFirst;
    for (const entry of entries) {
      const { index, term } = entry;
      const data = entry.kind === 'command' ? entry.data : undefined;
      const here = (this.#known[index] ??= []);
      const known = here.find((other) => other.term === term);
      if (known === undefined) here.push({ term, prevTerm, data });
      else {
        const same = known.prevTerm === prevTerm && sameBytes(known.data, data);
        this.#invariants.check(
          'logMatching',
          same,
          () => `${id} holds another entry ${index} of term ${term}, or other ones before`,
        );
      }
      prevTerm = term;
    }
  }

  /** A server of `inTerm` says that everything from `from` to `to` is committed. */
  commits(id: ServerId, inTerm: number, from: number, to: number, termAt: TermAt): void {
    for (let index = from; index <= to; index += 1) {
      const term = termAt(index) as number;
      const known = this.#committed[index - 1];
      if (known !== undefined) {
        this.#invariants.check('stateMachineSafety', known.term === term, () => `${id} commits another entry ${index}`);
        continue;
      }
      const durable = this.#onQuorum(id, index, term);
      this.#invariants.check(
        'commitIsDurable',
        durable,
        () => `${id} commits ${index}, which is not on a quorum's disks`,
      );
      this.#committed.push({ term, inTerm });
    }
  }

  /** A new leader holds every entry that was committed in an earlier term: log matching makes the last of them enough. */
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

  /** Where commands stand in a log, behind `after` and up to `through`. */
  commands(after: number, through: number, termAt: TermAt): number[] {
    const indices: number[] = [];
    for (let index = after + 1; index <= through; index += 1) {
      const term = termAt(index);
      if (this.#known[index]?.find((known) => known.term === term)?.data !== undefined) indices.push(index);
    }
    return indices;
  }

  applied(id: ServerId, index: number, term: number): void {
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
      () => `two entries applied at ${index}`,
    );
    this.#appliedAt.set(index, term);
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}
