import type { Entry, Position } from '@kontiki/core';
import type { ReadsReady } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/** The appended proposals of one server that have no outcome yet, by index and term. */
export class WaitingProposals {
  readonly #checks: Checks;
  readonly #byIndex = new Map<number, number[]>();

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  add({ index, term }: Position): void {
    const terms = this.#byIndex.get(index);
    if (terms === undefined) this.#byIndex.set(index, [term]);
    else terms.push(term);
  }

  /**
   * Called when an entry has been applied. Acknowledges its proposal and forgets other proposals at
   * the same index.
   */
  settle({ index, term }: Entry): void {
    const terms = this.#byIndex.get(index);
    if (terms === undefined) return;
    this.#byIndex.delete(index);
    if (terms.includes(term)) this.#checks.acknowledged(index);
  }

  /** Forgets all proposals after a crash. Their outcome is unknown. */
  abandon(): void {
    this.#byIndex.clear();
  }

  /** The lowest index of a waiting proposal, or Infinity if none is waiting. */
  get first(): number {
    return Math.min(...this.#byIndex.keys());
  }
}

interface WaitingRead {
  readonly ticket: number;
  /**
   * Index that the read must see. It is the highest index that was acknowledged or read before this
   * read started.
   */
  readonly floor: number;
}

/**
 * The linearizable reads of one server that have no answer yet. A read waits until a quorum
 * confirms its index, and then until the state machine has applied that index.
 */
export class WaitingReads {
  readonly #checks: Checks;
  #unconfirmed: WaitingRead[] = [];
  #confirmed: { readonly index: number; readonly floor: number }[] = [];

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  get count(): number {
    return this.#unconfirmed.length + this.#confirmed.length;
  }

  add(ticket: number, floor: number = this.#checks.floor): void {
    this.#unconfirmed.push({ ticket, floor });
  }

  /**
   * Called when a quorum has confirmed all reads with numbers up to `ticket`. They may be served
   * once `index` has been applied.
   */
  confirm({ ticket, index }: ReadsReady): void {
    const still = this.#unconfirmed.findIndex((read) => read.ticket > ticket);
    const ready = this.#unconfirmed.splice(0, still === -1 ? this.#unconfirmed.length : still);
    for (const { floor } of ready) this.#confirmed.push({ index, floor });
  }

  /** Serves the confirmed reads whose index has been applied. */
  serve(applied: number): void {
    if (this.#confirmed.length === 0) return;
    const waiting = this.#confirmed.filter(({ index }) => index > applied);
    if (waiting.length === this.#confirmed.length) return;
    for (const { index, floor } of this.#confirmed) if (index <= applied) this.#checks.read(applied, floor);
    this.#confirmed = waiting;
  }

  abandon(): void {
    this.#unconfirmed = [];
    this.#confirmed = [];
  }
}
