import type { ServerId } from '@kontiki/core';
import type { Random } from '../random.js';
import type { Mix } from './mix.js';
import type { Schedule } from './schedule.js';

type Deliver<Load> = (from: ServerId, to: ServerId, load: Load) => void;

/** Loses, delays, doubles and reorders what it carries, and cuts links, in one direction or both. */
export class ModelNetwork<Load> {
  sent = 0;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #mix: Mix;
  readonly #ids: readonly ServerId[];
  readonly #deliver: Deliver<Load>;
  /** Links that carry nothing: `from>to`. */
  readonly #cut = new Set<string>();
  /** When the newest load of a link arrives: without jitter nothing overtakes it. */
  readonly #arrivals = new Map<string, number>();
  #healed = false;

  constructor(schedule: Schedule, random: Random, mix: Mix, ids: readonly ServerId[], deliver: Deliver<Load>) {
    this.#schedule = schedule;
    this.#random = random;
    this.#mix = mix;
    this.#ids = ids;
    this.#deliver = deliver;
  }

  send(from: ServerId, to: ServerId, load: Load): void {
    this.sent += 1;
    const { loss, duplicates } = this.#mix.strength;
    if (!this.#healed && this.#random.chance(loss * 0.3)) return;
    const copies = !this.#healed && this.#random.chance(duplicates * 0.3) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#carry(from, to, load, this.#delay(`${from}>${to}`), this.#healed);
    }
  }

  /** A cut takes what is on its way, or holds it up; what is late when all faults end never comes. */
  #carry(from: ServerId, to: ServerId, load: Load, delay: number, healed: boolean): void {
    this.#schedule.after(delay, () => {
      if (healed !== this.#healed) return;
      if (!this.#cut.has(`${from}>${to}`)) this.#deliver(from, to, load);
      else if (this.#mix.strength.jitter > 0 && this.#random.chance(0.8)) {
        this.#carry(from, to, load, this.#random.between(0, 3) * this.#mix.timings.election, healed);
      }
    });
  }

  /** Cuts one direction between two servers. */
  cut(): string {
    const from = this.#random.pick(this.#ids);
    const to = this.#random.pick(this.#ids);
    if (from !== to) this.#cut.add(`${from}>${to}`);
    return `${from} no longer reaches ${to}`;
  }

  /** Splits the servers into two groups, or `alone` from the others; sometimes one server still reaches, and is reached by, both. */
  partition(alone: ServerId | undefined): string {
    const left = alone === undefined ? this.#ids.filter(() => this.#random.chance(0.5)) : [alone];
    const bridge = this.#random.chance(0.2) ? this.#random.pick(this.#ids) : undefined;
    const oneWay = this.#random.chance(0.2);
    for (const from of this.#ids) {
      for (const to of this.#ids) {
        if (left.includes(from) === left.includes(to) || from === bridge || to === bridge) continue;
        if (!oneWay || left.includes(from)) this.#cut.add(`${from}>${to}`);
      }
    }
    return `[${left.join(' ')}] ${oneWay ? 'no longer reach' : 'are apart from'} the others${bridge === undefined ? '' : `, but for ${bridge}`}`;
  }

  /** Joins what was cut. */
  join(): void {
    this.#cut.clear();
  }

  heal(): void {
    this.join();
    this.#healed = true;
  }

  #delay(link: string): number {
    const { latency, jitter } = this.#mix.strength;
    const { election } = this.#mix.timings;
    if (this.#healed) return 1;
    const base = this.#random.between(0.1, 2 + (latency * election) / 4);
    if (jitter > 0) {
      const held = this.#random.chance(jitter * 0.2);
      return held ? base + this.#random.between(0, this.#random.chance(0.1) ? 20 : 1) * election : base;
    }
    const arrival = Math.max(this.#schedule.now + base, this.#arrivals.get(link) ?? 0);
    this.#arrivals.set(link, arrival);
    return arrival - this.#schedule.now;
  }
}
