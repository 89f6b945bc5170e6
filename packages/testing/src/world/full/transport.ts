import { isKontikiError, type Identity, type Message, type ServerId, type Transport } from '@kontiki/core';
import { decodeFrame, encodeFrame } from '@kontiki/core/wire';
import type { Process } from './process.js';

/** What travels: encoded messages, and who sent them. */
export interface SentFrame {
  readonly sender: Identity;
  readonly frame: Uint8Array;
}

/** What carries parcels, and who watches. */
export interface NetworkLink {
  carry(to: ServerId, sent: SentFrame): void;
  /** Called with what leaves, before it does. */
  sent(to: ServerId, message: Message): void;
}

/** A transport on a network of the world: messages are encoded as on a real wire, and refused as by a real handshake. */
export class SimulatedTransport implements Transport {
  readonly #process: Process;
  readonly #link: NetworkLink;
  #self: Identity | undefined;
  #receive: ((from: ServerId, message: Message) => void) | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();

  constructor(process: Process, link: NetworkLink) {
    this.#process = process;
    this.#link = link;
  }

  async start(self: Identity, receive: (from: ServerId, message: Message) => void): Promise<void> {
    this.#self = self;
    this.#receive = receive;
  }

  send(to: ServerId, messages: readonly Message[]): void {
    const sender = this.#self;
    if (sender === undefined || !this.#peers.has(to)) return;
    for (const message of messages) this.#link.sent(to, message);
    this.#link.carry(to, { sender: { ...sender, genesis: sender.genesis }, frame: encodeFrame(messages) });
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
  }

  async close(): Promise<void> {
    this.#self = this.#receive = undefined;
  }

  /** A frame has arrived. Whether it could be read: one that was damaged on its way must be noticed. */
  arrive({ sender, frame }: SentFrame): boolean {
    let messages: readonly Message[];
    try {
      ({ messages } = decodeFrame(frame));
    } catch (error) {
      if (isKontikiError(error, 'KONTIKI_PROTOCOL')) return false;
      throw error;
    }
    this.#process.enter(() => {
      const self = this.#self;
      if (self === undefined || self.cluster !== sender.cluster) return;
      if (self.genesis !== undefined && sender.genesis !== undefined && self.genesis !== sender.genesis) return;
      for (const message of messages) this.#receive?.(sender.server, message);
    });
    return true;
  }
}
