import { randomBytes } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as requestTls, type RequestOptions } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { helloHeaders } from '@kontiki/peers';
import { after } from './servers.js';

/** A server to which the claim is sent. */
export interface Claimed {
  readonly id: string;
  readonly scheme: string;
  readonly port: number | undefined;
}

/**
 * Sends the handshake of server `from` with any TLS options, or over plain HTTP if `options` is
 * undefined. Resolves with the response, or with the error if there is none.
 */
export async function claim(
  { id, scheme, port }: Claimed,
  from: string,
  options: (RequestOptions & Pick<ConnectionOptions, 'session'>) | undefined,
): Promise<IncomingMessage | Error> {
  const identity = { cluster: 'c-1', server: from, incarnation: 99, genesis: undefined, epoch: undefined };
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': 'kontiki.1',
  };
  const common = {
    port,
    method: scheme === 'ws' ? 'GET' : 'POST',
    headers: { ...helloHeaders(identity, id), ...(scheme === 'ws' ? upgrade : {}) },
    agent: false,
  } as const;
  const sent: ClientRequest =
    options === undefined
      ? request(common)
      : requestTls({ checkServerIdentity: () => undefined, ...options, ...common });
  after(() => sent.destroy());
  return new Promise((resolve) => {
    for (const event of ['response', 'upgrade', 'error']) sent.on(event, resolve);
    sent.end();
  });
}
