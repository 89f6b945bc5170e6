import type { Message, ServerId } from '@kontiki/core';

/** A message with its sender and its receiver. */
export interface Envelope {
  readonly from: ServerId;
  readonly to: ServerId;
  readonly message: Message;
}

/** Selects messages by some of their properties, or by a function. */
export type MessageFilter =
  | { readonly from?: ServerId; readonly to?: ServerId; readonly kind?: Message['kind'] }
  | ((envelope: Envelope) => boolean);

export function matches(filter: MessageFilter, envelope: Envelope): boolean {
  if (typeof filter === 'function') return filter(envelope);
  const { from = envelope.from, to = envelope.to, kind = envelope.message.kind } = filter;
  return from === envelope.from && to === envelope.to && kind === envelope.message.kind;
}

/** The messages in flight between the servers of a scenario, and the cut links. */
export class ScenarioNetwork {
  /** Messages in flight, in the order in which they were sent. */
  readonly underWay: Envelope[] = [];
  /** All messages sent so far, in order. */
  readonly sent: Envelope[] = [];
  readonly #cuts = new Set<string>();

  send(envelope: Envelope): void {
    this.sent.push(envelope);
    this.underWay.push(envelope);
  }

  /** Removes matching messages from the network and returns them. */
  take(filter: MessageFilter): Envelope[] {
    const taken = this.underWay.filter((envelope) => matches(filter, envelope));
    const left = this.underWay.filter((envelope) => !taken.includes(envelope));
    this.underWay.splice(0, Infinity, ...left);
    return taken;
  }

  /**
   * Removes and returns the oldest message that does not match `held` and is not for a paused
   * server.
   */
  next(held: MessageFilter, paused: ReadonlySet<ServerId>): Envelope | undefined {
    const at = this.underWay.findIndex((envelope) => !paused.has(envelope.to) && !matches(held, envelope));
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
