import type { Message, Transport } from '@kontiki/core';

/** A transport that can hold messages of one kind. */
export class Filtered implements Transport {
  readonly #inner: Transport;
  readonly sent: Message[] = [];
  readonly #held: [to: string, message: Message][] = [];
  /** The kind of messages to hold, or undefined to hold no messages. */
  hold: Message['kind'] | undefined;
  /** The server whose messages to hold. Default: every server. */
  holdFor: string | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  start: Transport['start'] = (self, receive) => this.#inner.start(self, receive);
  setPeers: Transport['setPeers'] = (peers) => this.#inner.setPeers(peers);
  close: Transport['close'] = () => this.#inner.close();

  send(to: string, messages: readonly Message[]): void {
    this.sent.push(...messages);
    const holds = ({ kind }: Message): boolean => kind === this.hold && (this.holdFor ?? to) === to;
    for (const message of messages) if (holds(message)) this.#held.push([to, message]);
    this.#inner.send(
      to,
      messages.filter((message) => !holds(message)),
    );
  }

  release(): void {
    this.hold = undefined;
    for (const [to, message] of this.#held.splice(0)) this.#inner.send(to, [message]);
  }
}
