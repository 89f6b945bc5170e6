import type { ServerId } from '@kontiki/core';
import type { Random } from '../random.js';
import type { Mix } from './mix.js';
import type { Schedule } from './schedule.js';

type Deliver<Load> = (from: ServerId, to: ServerId, load: Load) => void;

/**
 * A network that loses, delays, duplicates and reorders messages. Each direction of a link can be
 * cut separately.
 */
export class ModelNetwork<Load> {
  /** Number of messages sent so far. */
  sent = 0;
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #mix: Mix;
  readonly #ids: readonly ServerId[];
  readonly #deliver: Deliver<Load>;
  /** The links that are cut, each in the form `from>to`. */
  readonly #cut = new Set<string>();
  /**
   * Arrival time of the newest message on each link. Used to keep messages in order in worlds
   * without jitter.
   */
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

  /**
   * Delivers a message after a delay. If the link has been cut in the meantime, the message is lost
   * or delayed further. Messages in flight when all faults end are lost.
   */
  #carry(from: ServerId, to: ServerId, load: Load, delay: number, healed: boolean): void {
    this.#schedule.after(delay, () => {
      if (healed !== this.#healed) return;
      if (!this.#cut.has(`${from}>${to}`)) this.#deliver(from, to, load);
      else if (this.#mix.strength.jitter > 0 && this.#random.chance(0.8)) {
        this.#carry(from, to, load, this.#random.between(0, 3) * this.#mix.timings.election, healed);
      }
    });
  }

  /** Cuts the link from one random server to another. Returns a description. */
  cut(): string {
    const from = this.#random.pick(this.#ids);
    const to = this.#random.pick(this.#ids);
    if (from !== to) this.#cut.add(`${from}>${to}`);
    return `${from} cannot send to ${to}`;
  }

  /**
   * Splits the servers into two groups, or isolates the server `alone`. Sometimes cuts the links in
   * only one direction, and sometimes leaves one server connected to both groups. Returns a
   * description.
   */
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
    return `[${left.join(' ')}] ${oneWay ? 'cannot send to' : 'are separated from'} the others${bridge === undefined ? '' : `, except for ${bridge}`}`;
  }

  /** Restores all links. */
  join(): void {
    this.#cut.clear();
  }

  /** Restores all links and ends all other faults of the network. */
  heal(): void {
    this.join();
    this.#healed = true;
  }

  /** Starts losing and duplicating messages again after `heal`. */
  unheal(): void {
    this.#healed = false;
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
