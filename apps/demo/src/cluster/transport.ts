import type { Logger, Transport } from '@kontiki/core';
import { WebSocketTransport } from '@kontiki/transport-ws';

/** What the nodes of a cluster speak with each other. */
export const TRANSPORTS = ['ws'] as const;

export type TransportName = (typeof TRANSPORTS)[number];

export function transportOn(name: TransportName, host: string, port: number, logger: Logger): Transport {
  switch (name) {
    case 'ws':
      return new WebSocketTransport({ listen: { host, port }, logger });
  }
}
