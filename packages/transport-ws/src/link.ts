import type { Identity, Message, ServerId } from '@kontiki/core';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import {
  Backoff,
  helloHeaders,
  OutgoingQueue,
  PROTOCOL,
  readHello,
  refuseHello,
  type Complaints,
} from '@kontiki/peers';
import { WebSocket } from 'ws';

/** Milliseconds for a connection and its handshake. */
const DIAL_TIMEOUT = 3_000;
/** Bytes that the socket may hold before even urgent messages wait in the queue, which drops the oldest. */
const MAX_BUFFERED = 1024 * 1024;
/** Pings without an answer before a connection counts as dead. */
const MAX_SILENT_PINGS = 3;

/** The way to one peer: dials it, keeps dialling, and sends what `OutgoingQueue` lets go. Nothing is received here but pongs. */
export class Link {
  readonly #self: Identity;
  readonly #peer: ServerId;
  readonly #url: URL;
  readonly #complaints: Complaints;
  readonly #queue = new OutgoingQueue();
  readonly #backoff = new Backoff();
  #socket: WebSocket | undefined;
  #redial: NodeJS.Timeout | undefined;
  /** A frame of appends has been handed to the socket and has not left it. */
  #bulkLeaving = false;
  #silentPings = 0;
  #closed = false;

  constructor(self: Identity, peer: ServerId, url: URL, complaints: Complaints) {
    this.#self = self;
    this.#peer = peer;
    this.#url = url;
    this.#complaints = complaints;
    this.#dial();
  }

  get url(): string {
    return this.#url.href;
  }

  send(messages: readonly Message[]): void {
    this.#queue.push(messages);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#flush();
    else this.#queue.dropBulk();
  }

  /** Called every second: a peer that is gone without a word is noticed, and dialled again. */
  ping(): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (this.#silentPings >= MAX_SILENT_PINGS) return socket.terminate();
    this.#silentPings += 1;
    socket.ping();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#redial);
    this.#socket?.terminate();
  }

  #dial(): void {
    const socket = new WebSocket(this.#url, PROTOCOL, {
      headers: helloHeaders(this.#self, this.#peer),
      handshakeTimeout: DIAL_TIMEOUT,
      maxPayload: MAX_FRAME,
      perMessageDeflate: false,
      followRedirects: false,
      // Masking keeps browsers from forging HTTP through proxies; between servers a zero mask spares a pass over every byte.
      generateMask: () => {},
    });
    this.#socket = socket;
    this.#silentPings = 0;
    this.#bulkLeaving = false;
    socket.on('upgrade', (response) => {
      const hello = readHello(response.headers);
      const refusal =
        hello?.from === this.#peer ? refuseHello(this.#self, hello) : `another server answers there: ${hello?.from}`;
      if (refusal === undefined) return;
      this.#complaints.warn(`${this.#url.href} is not server ${this.#peer} of this cluster`, refusal);
      socket.terminate();
    });
    socket.on('unexpected-response', (request, response) => {
      this.#complaints.warn(
        `${this.#url.href} (server ${this.#peer}) refuses this server`,
        response.headers['kontiki-refusal']?.toString() ?? `HTTP ${response.statusCode}`,
      );
      request.destroy();
      socket.terminate();
    });
    socket.on('open', () => {
      this.#backoff.reset();
      this.#flush();
    });
    socket.on('pong', () => (this.#silentPings = 0));
    // Peers answer on their own connection to this server.
    socket.on('message', () => socket.terminate());
    socket.on('error', (error) =>
      this.#complaints.debug(`no connection to server ${this.#peer} at ${this.#url.href}`, error),
    );
    socket.on('close', () => this.#lost(socket));
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket || this.#closed) return;
    this.#socket = undefined;
    this.#queue.dropBulk();
    this.#redial = setTimeout(() => this.#dial(), this.#backoff.next());
  }

  #flush(): void {
    const socket = this.#socket;
    while (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < MAX_BUFFERED) {
      const batch = this.#queue.take(!this.#bulkLeaving);
      if (batch === undefined) return;
      this.#bulkLeaving ||= batch.bulk;
      socket.send(encodeFrame(batch.messages), () => this.#sent(socket, batch.bulk));
    }
  }

  /** The frame has left the process, or the connection is gone. */
  #sent(socket: WebSocket, bulk: boolean): void {
    if (socket !== this.#socket) return;
    if (bulk) this.#bulkLeaving = false;
    this.#flush();
  }
}
