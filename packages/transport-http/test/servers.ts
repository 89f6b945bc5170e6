import type { Identity, ServerId } from '@kontiki/core';
import { HttpTransport, type HttpOptions } from '@kontiki/transport-http';
import { TestServer } from '../../peers/test/transports/servers.js';

/** A server that sends only the requests that a test tells it to send. */
export const client: Identity = { cluster: 'c-1', server: 'x', incarnation: 99, genesis: undefined, epoch: undefined };

export * from '../../peers/test/transports/servers.js';

export function server(
  id: ServerId,
  options: HttpOptions = {},
  identity: Partial<Identity> = {},
): TestServer<HttpTransport> {
  return new TestServer(
    id,
    'http',
    (logger) => new HttpTransport({ listen: { port: 0 }, logger, ...options }),
    identity,
  );
}

export function started(...given: Parameters<typeof server>): Promise<TestServer<HttpTransport>> {
  return server(...given).start();
}
