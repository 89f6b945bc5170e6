import type { Entry, Position } from '@kontiki/core';
import type { ReadsReady } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/** The proposals of one server that were appended and have no outcome yet. */
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

  settle({ index, term }: Entry): void {
    const terms = this.#byIndex.get(index);
    if (terms === undefined) return;
    this.#byIndex.delete(index);
    if (terms.includes(term)) this.#checks.acknowledged(index);
  }

  /** The process is gone: their outcome is unknown. */
  abandon(): void {
    this.#byIndex.clear();
  }

  /** The lowest index that is waited for. */
  get first(): number {
    return Math.min(...this.#byIndex.keys());
  }
}

interface WaitingRead {
  readonly ticket: number;
  /** What must be seen: everything acknowledged, and seen by other reads, before this one began. */
  readonly floor: number;
}

/** The linearizable reads of one server: those that wait for a quorum's word, and those that wait for the state machine. */
export class WaitingReads {
  readonly #checks: Checks;
  #asked: WaitingRead[] = [];
  #confirmed: { readonly index: number; readonly floor: number }[] = [];

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  get count(): number {
    return this.#asked.length + this.#confirmed.length;
  }

  add(ticket: number): void {
    this.#asked.push({ ticket, floor: this.#checks.floor });
  }

  confirm({ ticket, index }: ReadsReady): void {
    const still = this.#asked.findIndex((read) => read.ticket > ticket);
    const ready = this.#asked.splice(0, still === -1 ? this.#asked.length : still);
    for (const { floor } of ready) this.#confirmed.push({ index, floor });
  }

  serve(applied: number): void {
    if (this.#confirmed.length === 0) return;
    const waiting = this.#confirmed.filter(({ index }) => index > applied);
    if (waiting.length === this.#confirmed.length) return;
    for (const { index, floor } of this.#confirmed) if (index <= applied) this.#checks.read(applied, floor);
    this.#confirmed = waiting;
  }

  abandon(): void {
    this.#asked = [];
    this.#confirmed = [];
  }
}
