import type { ServerId } from '@kontiki/core';
import { type Context, type Listener, PeerTransport } from '@kontiki/peers';
import { Connection } from './connection.js';
import { WebSocketListener } from './listener.js';
import { checkOptions, type WebSocketOptions } from './options.js';
import { WebSocketPeer } from './peer.js';

/** Sends messages over WebSocket. Each node needs its own transport. */
export class WebSocketTransport extends PeerTransport<WebSocketPeer> {
  readonly #options: WebSocketOptions;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. Opens nothing until `start` is called. */
  constructor(options: WebSocketOptions) {
    checkOptions(options);
    super(options, ['listen', 'server', 'path']);
    this.#options = options;
  }

  protected override createListener(context: Context, getPeer: (id: ServerId) => WebSocketPeer): Listener {
    return new WebSocketListener(context, this.#options, (ws, socket, hello, sent) => {
      const peer = getPeer(hello.from);
      const connection = new Connection(context, ws, socket, hello, sent, peer.callbacks);
      peer.accept(connection);
      return connection;
    });
  }

  protected override createPeer(context: Context, id: ServerId, onIdle: () => void): WebSocketPeer {
    return new WebSocketPeer(context, id, onIdle);
  }
}
