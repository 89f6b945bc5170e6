import type { Message, ServerId } from '@kontiki/core';

/** A message under way. */
export interface Envelope {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
}

/** Which messages are meant: those with these properties, or those that a function says. */
export type MessageFilter =
  | { readonly from?: ServerId; readonly to?: ServerId; readonly kind?: Message['kind'] }
  | ((envelope: Envelope) => boolean);

export function matches(filter: MessageFilter, envelope: Envelope): boolean {
  if (typeof filter === 'function') return filter(envelope);
  const { from = envelope.from, to = envelope.to, kind = envelope.message.kind } = filter;
  return from === envelope.from && to === envelope.to && kind === envelope.message.kind;
}

/** The messages between the servers of a scenario, and the links that carry them. */
export class ScenarioNetwork {
  /** Under way, in the order in which they left. */
  readonly underWay: Envelope[] = [];
  /** Every message that ever left, in order. */
  readonly sent: Envelope[] = [];
  readonly #cuts = new Set<string>();

  send(envelope: Envelope): void {
    this.sent.push(envelope);
    this.underWay.push(envelope);
  }

  /** Takes off the net what is meant. */
  take(filter: MessageFilter): Envelope[] {
    const taken = this.underWay.filter((envelope) => matches(filter, envelope));
    const left = this.underWay.filter((envelope) => !taken.includes(envelope));
    this.underWay.splice(0, Infinity, ...left);
    return taken;
  }

  /** Takes the oldest message, but for those that `held` means and those to servers that stand still. */
  next(held: MessageFilter, still: ReadonlySet<ServerId>): Envelope | undefined {
    const at = this.underWay.findIndex((envelope) => !still.has(envelope.to) && !matches(held, envelope));
    return at < 0 ? undefined : this.underWay.splice(at, 1)[0];
  }

  carries({ from, to }: Envelope): boolean {
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
