import type { Message, ServerId } from '@kontiki/core';

/** A message under way. */
export interface Flight {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
}

/** Which messages are meant: those with these properties, or those that a function says. */
export type Which =
  { readonly from?: ServerId; readonly to?: ServerId; readonly kind?: Message['kind'] } | ((flight: Flight) => boolean);

export function isMeant(which: Which, flight: Flight): boolean {
  if (typeof which === 'function') return which(flight);
  const { from = flight.from, to = flight.to, kind = flight.message.kind } = which;
  return from === flight.from && to === flight.to && kind === flight.message.kind;
}

/** The messages between the servers of a scenario, and the links that carry them. */
export class ScenarioNet {
  /** Under way, in the order in which they left. */
  readonly underWay: Flight[] = [];
  /** Every message that ever left, in order. */
  readonly sent: Flight[] = [];
  readonly #cuts = new Set<string>();

  send(flight: Flight): void {
    this.sent.push(flight);
    this.underWay.push(flight);
  }

  /** Takes off the net what is meant. */
  take(which: Which): Flight[] {
    const taken = this.underWay.filter((flight) => isMeant(which, flight));
    const left = this.underWay.filter((flight) => !taken.includes(flight));
    this.underWay.splice(0, Infinity, ...left);
    return taken;
  }

  /** Takes the oldest message, but for those that `held` means and those to servers that stand still. */
  next(held: Which, still: ReadonlySet<ServerId>): Flight | undefined {
    const at = this.underWay.findIndex((flight) => !still.has(flight.to) && !isMeant(held, flight));
    return at < 0 ? undefined : this.underWay.splice(at, 1)[0];
  }

  carries({ from, to }: Flight): boolean {
    return !this.#cuts.has(`${from}>${to}`);
  }

  cut(from: ServerId, to: ServerId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  join(from: ServerId, to: ServerId): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }
}
