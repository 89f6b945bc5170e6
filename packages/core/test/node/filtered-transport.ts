import type { Message, Transport } from '@kontiki/core';

/** A transport that can hold messages of one kind. */
export class Filtered implements Transport {
  readonly #inner: Transport;
  readonly sent: Message[] = [];
  readonly #held: [to: string, message: Message][] = [];
  /** The kind of messages to hold, or undefined to hold no messages. */
  hold: Message['kind'] | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  start: Transport['start'] = (self, receive) => this.#inner.start(self, receive);
  setPeers: Transport['setPeers'] = (peers) => this.#inner.setPeers(peers);
  close: Transport['close'] = () => this.#inner.close();

  send(to: string, messages: readonly Message[]): void {
    this.sent.push(...messages);
    for (const message of messages) if (message.kind === this.hold) this.#held.push([to, message]);
    this.#inner.send(
      to,
      messages.filter(({ kind }) => kind !== this.hold),
    );
  }

  release(): void {
    this.hold = undefined;
    for (const [to, message] of this.#held.splice(0)) this.#inner.send(to, [message]);
  }
}
