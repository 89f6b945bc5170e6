import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { isKontikiError, type ServerId } from '@kontiki/core';
import {
  BATCH_BYTES,
  type Context,
  type Hello,
  isHandshakeOutdated,
  receiveFrame,
  type Sent,
  SILENT_TICKS,
} from '@kontiki/peers';

export interface ConnectionCallbacks {
  /**
   * Called when the last frame has been passed to the system. The connection can then send the next
   * frame.
   */
  onDrained(): void;
  /** Called once when the connection is closed, for any reason. */
  onClosed(connection: Connection): void;
}

/** An open connection on which both servers accepted the handshake. */
export class Connection {
  readonly hello: Hello;
  readonly #ws: WebSocket;
  /**
   * The socket of the connection. Undefined on Bun, because its own version of the ws library has
   * no socket for a dialed connection.
   */
  readonly #socket: Socket | undefined;
  readonly #context: Context;
  /** The values that this server has sent in the handshake. */
  readonly #sent: Sent;
  readonly #callbacks: ConnectionCallbacks;
  #sending = false;
  #memory: Uint8Array | undefined;
  /** Number of frames received so far. */
  #frames = 0;
  /** The value of `received` at the last tick. */
  #lastReceived = -1;
  /** Whether a frame has been sent since the last tick. */
  #hasSent = false;
  /** Number of consecutive ticks without a byte in either direction. */
  #silentTicks = 0;
  #closed = false;

  constructor(
    context: Context,
    ws: WebSocket,
    socket: Duplex | null,
    hello: Hello,
    sent: Sent,
    callbacks: ConnectionCallbacks,
  ) {
    this.#context = context;
    this.hello = hello;
    this.#ws = ws;
    // ws and node:http declare the socket as a Duplex, but on a listening port it is a net or TLS
    // socket.
    this.#socket = (socket as Socket | null) ?? undefined;
    this.#sent = sent;
    this.#callbacks = callbacks;
    ws.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    for (const event of ['message', 'ping', 'pong'] as const) ws.on(event, () => (this.#frames += 1));
    ws.on('error', (error: NodeJS.ErrnoException) => {
      // Crashes of peers and network errors are normal. Errors that ws itself detects are caused by
      // invalid data.
      if (error.code?.startsWith('WS_ERR') === true) this.#refuse(error.message);
      else this.#end('info', error.message);
    });
    ws.on('close', () => {
      if (!this.#closed) this.#log('info', 'ended', `${this.peer} closed its connection`);
      this.#closed = true;
      callbacks.onClosed(this);
    });
  }

  get peer(): ServerId {
    return this.hello.from;
  }

  /**
   * Whether `send` may be called. Only one frame is sent at a time. An urgent message therefore
   * waits for at most one frame, and a peer that does not read cannot fill the memory of this
   * process.
   */
  get isReady(): boolean {
    return !this.#sending && !this.#closed && this.#ws.readyState === this.#ws.OPEN;
  }

  /**
   * Memory for the next frame. Use it only while `isReady` is true, because then the previous frame
   * no longer needs the memory. Without reuse, sending a snapshot would create as much garbage as
   * the whole snapshot.
   */
  get memory(): Uint8Array {
    this.#memory ??= new Uint8Array(BATCH_BYTES);
    return this.#memory;
  }

  send(frame: Uint8Array): void {
    this.#sending = true;
    this.#ws.send(frame, (error) => {
      this.#sending = false;
      this.#hasSent = true;
      // After an error, ws closes the connection and `onClosed` follows.
      if (!error) this.#callbacks.onDrained();
    });
  }

  /**
   * Closes the connection if it has been silent for too long. Otherwise pings the peer. Ticks are
   * counted instead of milliseconds, so that a suspended process does not disconnect all peers when
   * it resumes. Bytes are counted instead of frames, because even a part of a large frame on a slow
   * connection shows that the peer is alive. A fully sent frame also shows this. If
   * `passesAddresses` is true, this server sends the announced addresses to the peer on this
   * connection.
   */
  tick(passesAddresses: boolean): void {
    if (isHandshakeOutdated(this.#context.self, this.#sent, this.hello)) {
      const text = `repeating the handshake with ${this.peer}: this server has learned more about its cluster`;
      this.#log('info', 'genesis', text);
      return this.terminate();
    }
    if (passesAddresses && this.#sent.announced !== this.#context.self.announcements?.version) {
      this.#log('info', 'addresses', `repeating the handshake with ${this.peer}: servers announced addresses`);
      return this.terminate();
    }
    const received = this.#received;
    const alive = this.#hasSent || received !== this.#lastReceived;
    this.#hasSent = false;
    this.#lastReceived = received;
    this.#silentTicks = alive ? 0 : this.#silentTicks + 1;
    if (this.#silentTicks >= SILENT_TICKS) return this.#fail('it is silent');
    // Both sides send pings. While one side is sending a large frame over a slow connection, the
    // other side's pings show that it is still alive.
    if (this.isReady) this.#ws.ping();
  }

  /**
   * A number that increases with each received byte and frame. Frames count too, because Bun does
   * not count the bytes of an upgraded connection.
   */
  get #received(): number {
    return (this.#socket?.bytesRead ?? 0) + this.#frames;
  }

  /**
   * Closes the connection immediately, without a closing handshake, which would add no information.
   */
  terminate(): void {
    this.#closed = true;
    this.#ws.terminate();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    if (!isBinary) return this.#refuse('it sent text');
    try {
      receiveFrame(this.#context, this.peer, data, () => !this.#closed);
    } catch (error) {
      if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
      this.#refuse(error.message);
    }
  }

  /** Closes the connection because the peer sent invalid data. */
  #refuse(reason: string): void {
    this.#context.refusals.count('frame');
    this.#fail(reason);
  }

  #fail(reason: string): void {
    this.#end('warn', reason);
  }

  #end(level: 'info' | 'warn', reason: string): void {
    if (!this.#closed) this.#log(level, level, `closing the connection with ${this.peer}: ${reason}`);
    this.terminate();
  }

  #log(level: 'info' | 'warn', reason: string, text: string): void {
    const { logger } = this.#context;
    logger.log(level, logger.topic(reason, this.peer), text);
  }
}
