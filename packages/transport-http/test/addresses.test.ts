import { HttpTransport } from '@kontiki/transport-http';
import { testAddresses } from '../../peers/test/transports/addresses.js';

testAddresses('http', (port, dial) => new HttpTransport({ listen: { port }, limits: { pingIntervalMs: 100 }, dial }));
