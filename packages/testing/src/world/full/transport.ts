import {
  isKontikiError,
  type Identity,
  type Message,
  type Received,
  type ServerId,
  type Transport,
} from '@kontiki/core';
import { decodeFrame, encodeFrame, isStranger } from '@kontiki/core/wire';
import type { Process } from './process.js';

/** An encoded frame in flight, with the identity of its sender. */
export interface SentFrame {
  readonly sender: Identity;
  readonly frame: Uint8Array;
}

/** Callbacks into the world: its network, which carries frames, and its checks. */
export interface NetworkLink {
  carry(to: ServerId, sent: SentFrame): void;
  /** Called with each message before it is sent. */
  sent(to: ServerId, message: Message): void;
}

/**
 * A transport over the simulated network. It encodes messages as real transports do, and drops
 * frames from senders that would fail a real handshake.
 */
export class SimulatedTransport implements Transport {
  readonly #process: Process;
  readonly #link: NetworkLink;
  #self: Identity | undefined;
  #receive: ((from: ServerId, message: Received) => void) | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();
  /**
   * Servers that have sent a frame to this server. This server can reply to them even before it is
   * a member.
   */
  readonly #heard = new Set<ServerId>();

  constructor(process: Process, link: NetworkLink) {
    this.#process = process;
    this.#link = link;
  }

  async start(self: Identity, receive: (from: ServerId, message: Received) => void): Promise<void> {
    this.#self = self;
    this.#receive = receive;
  }

  send(to: ServerId, messages: readonly Message[]): void {
    const sender = this.#self;
    if (sender === undefined || !(this.#peers.has(to) || this.#heard.has(to))) return;
    for (const message of messages) this.#link.sent(to, message);
    this.#link.carry(to, { sender: { ...sender }, frame: encodeFrame(messages) });
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
  }

  async close(): Promise<void> {
    this.#self = this.#receive = undefined;
  }

  /**
   * Receives a frame. Returns false if the frame cannot be decoded. A damaged frame must never be
   * decoded.
   */
  arrive({ sender, frame }: SentFrame): boolean {
    let messages: readonly Received[];
    try {
      ({ messages } = decodeFrame(frame));
    } catch (error) {
      if (isKontikiError(error, 'KONTIKI_PROTOCOL')) return false;
      throw error;
    }
    this.#process.enter(() => {
      const self = this.#self;
      if (self === undefined || isStranger(self, sender)) return;
      this.#heard.add(sender.server);
      for (const message of messages) this.#receive?.(sender.server, message);
    });
    return true;
  }
}
