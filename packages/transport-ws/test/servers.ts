import type { Identity, ServerId } from '@kontiki/core';
import { WebSocketTransport, type WebSocketOptions } from '@kontiki/transport-ws';
import { TestServer } from '../../peers/test/transports/servers.js';

export * from '../../peers/test/transports/servers.js';

export function server(
  id: ServerId,
  options: Partial<WebSocketOptions> = {},
  identity: Partial<Identity> = {},
): TestServer<WebSocketTransport> {
  const where = options.server === undefined ? { listen: { port: 0 } } : {};
  const make = (logger: WebSocketOptions['logger']): WebSocketTransport =>
    new WebSocketTransport({ ...where, logger, ...options } as WebSocketOptions);
  return new TestServer(id, 'ws', make, identity);
}

export function started(...given: Parameters<typeof server>): Promise<TestServer<WebSocketTransport>> {
  return server(...given).start();
}
