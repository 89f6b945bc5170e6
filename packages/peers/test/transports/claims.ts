import { randomBytes } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as requestTls, type RequestOptions } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { helloHeaders } from '@kontiki/peers';
import { after } from './servers.js';

/** A server that receives a claim: a handshake sent in the name of some server. */
export interface Claimed {
  readonly id: string;
  readonly scheme: string;
  readonly port: number | undefined;
}

/**
 * Sends a handshake in the name of server `from`, with the given TLS options, or over plain HTTP if
 * `options` is undefined. Resolves with the response, or with an error if there is no response.
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
