import type { Logger } from '@kontiki/core';
import type { SecurityOptions, TransportOptions } from '@kontiki/peers';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import type { TransportName } from './kinds.js';

/**
 * Creates a transport that listens on a port. `dial` returns the address at which a node can be
 * reached.
 */
export function transportOn(
  name: TransportName,
  host: string,
  port: number,
  security: SecurityOptions,
  logger: Logger,
  dial: TransportOptions['dial'],
): WebSocketTransport | HttpTransport {
  const options = { listen: { host, port }, ...security, logger, dial };
  return name === 'ws' ? new WebSocketTransport(options) : new HttpTransport(options);
}
