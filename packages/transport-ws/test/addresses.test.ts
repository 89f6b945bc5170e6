import { WebSocketTransport } from '@kontiki/transport-ws';
import { testAddresses } from '../../peers/test/transports/addresses.js';

testAddresses(
  'ws',
  (port, dial) => new WebSocketTransport({ listen: { port }, limits: { pingIntervalMs: 100 }, dial }),
);
