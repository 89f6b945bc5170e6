import { describe, expect, it } from 'vitest';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { testTransport } from '@kontiki/testing';
import { allKinds } from '../../peers/test/transports/certificates.js';
import type { Proxy } from '../../peers/test/transports/proxy.js';
import { startProxy } from './servers.js';

for (const [kind, options] of await allKinds()) {
  testTransport(
    { describe, it, expect },
    {
      name: `WebSocketTransport${kind}`,
      wire: () => ({
        transport: (id) => new WebSocketTransport({ listen: { port: 0 }, ...options(id) }),
        address: ({ port }) => `ws://127.0.0.1:${port}`,
      }),
      without: { hold: 'tested with proxies below' },
    },
  );
}

testTransport(
  { describe, it, expect },
  {
    name: 'WebSocketTransport behind proxies',
    wire: () => {
      const proxies = new Map<string, Proxy>();
      return {
        transport: () => new WebSocketTransport({ listen: { port: 0 }, limits: { pingIntervalMs: 60_000 } }),
        address: async ({ port }, id) => {
          const proxy = await startProxy(() => port as number);
          proxies.set(id, proxy);
          return `ws://${proxy.host}`;
        },
        hold: (id, held) => (held ? proxies.get(id)?.stall() : proxies.get(id)?.resume()),
      };
    },
  },
);
