// Shows how HttpTransport authenticates peers, with real certificates and secrets.
import { testSecurity } from '../../peers/test/transports/security.js';
import { server } from './servers.js';

testSecurity(server);
