import type { ServerId } from '@kontiki/core';
import { type Context, type Listener, PeerTransport } from '@kontiki/peers';
import { Connection } from './connection.js';
import { WebSocketListener } from './listener.js';
import { checkOptions, type WebSocketOptions } from './options.js';
import { WebSocketPeer } from './peer.js';

/** Moves messages over WebSocket. One transport serves one node. */
export class WebSocketTransport extends PeerTransport<WebSocketPeer> {
  readonly #options: WebSocketOptions;

  /** Throws `KONTIKI_BAD_OPTION`. Nothing is opened before `start`. */
  constructor(options: WebSocketOptions) {
    checkOptions(options);
    super(options);
    this.#options = options;
  }

  protected override listener(context: Context, peer: (id: ServerId) => WebSocketPeer): Listener {
    return new WebSocketListener(context, this.#options, (ws, socket, hello, sentGenesis) => {
      const from = peer(hello.from);
      from.accept(new Connection(context, ws, socket, hello, sentGenesis, from.callbacks));
    });
  }

  protected override peer(context: Context, id: ServerId, onIdle: () => void): WebSocketPeer {
    return new WebSocketPeer(context, id, onIdle);
  }
}
