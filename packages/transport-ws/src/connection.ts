import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { isKontikiError, type ServerId } from '@kontiki/core';
import { BATCH_BYTES, type Context, deliver, isHandshakeOutdated, type Hello, SILENT_TICKS } from '@kontiki/peers';

/** Who wants to know what happens to a connection. */
export interface ConnectionCallbacks {
  /** The last frame has left for the system's buffers; another may follow. */
  onDrained(): void;
  /** It is closed, for whatever reason. Told once. */
  onClosed(connection: Connection): void;
}

/** An open connection whose handshake was accepted by both sides. */
export class Connection {
  readonly hello: Hello;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #context: Context;
  /** What this server sent as its own genesis in the handshake. */
  readonly #sentGenesis: number | undefined;
  readonly #callbacks: ConnectionCallbacks;
  #sending = false;
  #memory: Uint8Array | undefined;
  /** Bytes read at the last look, and whether a frame has left since. */
  #read = -1;
  #progress = false;
  #silent = 0;
  #closed = false;

  constructor(
    context: Context,
    ws: WebSocket,
    socket: Duplex,
    hello: Hello,
    sentGenesis: number | undefined,
    callbacks: ConnectionCallbacks,
  ) {
    this.#context = context;
    this.hello = hello;
    this.#ws = ws;
    // ws and node:http call it a Duplex, which it is; on a listening port it is a net or tls socket.
    this.#socket = socket as Socket;
    this.#sentGenesis = sentGenesis;
    this.#callbacks = callbacks;
    ws.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    ws.on('error', (error: NodeJS.ErrnoException) => {
      // Peers crash and networks fail every day; what ws itself finds wrong was sent by somebody.
      this.#end(error.code?.startsWith('WS_ERR') === true ? 'warn' : 'info', error.message);
    });
    ws.on('close', () => {
      if (!this.#closed) context.logger.log('info', `ended ${this.peer}`, `${this.peer} has ended its connection`);
      this.#closed = true;
      callbacks.onClosed(this);
    });
  }

  get peer(): ServerId {
    return this.hello.from;
  }

  /**
   * Whether a frame may be handed over: one at a time, so that what is urgent waits behind one frame at most, and a
   * peer that doesn't read fills no memory.
   */
  get ready(): boolean {
    return !this.#sending && !this.#closed && this.#ws.readyState === this.#ws.OPEN;
  }

  /**
   * Where the next frame can be made once this is `ready`, since the one before has left it then. A snapshot that is sent
   * would make as much garbage as it has bytes.
   */
  get memory(): Uint8Array {
    this.#memory ??= new Uint8Array(BATCH_BYTES);
    return this.#memory;
  }

  send(frame: Uint8Array): void {
    this.#sending = true;
    this.#ws.send(frame, (error) => {
      this.#sending = false;
      this.#progress = true;
      // After an error it is closing, and `closed` will tell.
      if (!error) this.#callbacks.onDrained();
    });
  }

  /**
   * One look, at every ping interval. Counting looks rather than milliseconds spares every peer after this process was
   * suspended. Bytes count and not frames: a large frame over a slow link is life too, and so is a frame that leaves.
   */
  tick(): void {
    if (isHandshakeOutdated(this.#context.self.genesis, this.#sentGenesis, this.hello.genesis)) {
      this.#context.logger.log(
        'info',
        `genesis ${this.peer}`,
        `renewing the connection with ${this.peer}: this server was blank when it was made`,
      );
      return this.terminate();
    }
    const alive = this.#progress || this.#socket.bytesRead !== this.#read;
    this.#progress = false;
    this.#read = this.#socket.bytesRead;
    this.#silent = alive ? 0 : this.#silent + 1;
    if (this.#silent >= SILENT_TICKS) return this.#fault('it has gone silent');
    // Both sides ask: what one has sent may fill a slow link for long, and the other's pings show meanwhile that it lives.
    if (this.ready) this.#ws.ping();
  }

  /** At once, without a farewell: there is nothing to say that a lost connection doesn't. */
  terminate(): void {
    this.#closed = true;
    this.#ws.terminate();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    if (!isBinary) return this.#fault('it sent text');
    try {
      deliver(this.#context, this.peer, data, () => !this.#closed);
    } catch (error) {
      if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
      this.#fault(error.message);
    }
  }

  #fault(reason: string): void {
    this.#end('warn', reason);
  }

  #end(level: 'info' | 'warn', reason: string): void {
    if (!this.#closed) {
      this.#context.logger.log(level, `${level} ${this.peer}`, `closing the connection with ${this.peer}: ${reason}`);
    }
    this.terminate();
  }
}
