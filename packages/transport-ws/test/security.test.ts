// Shows how WebSocketTransport authenticates peers, with real certificates and secrets.
import { describe } from 'vitest';
import { testCertificates } from '../../peers/test/transports/security-certificates.js';
import { testMounted } from '../../peers/test/transports/security-mounted.js';
import { testSecrets } from '../../peers/test/transports/security-secrets.js';
import { server, started } from './servers.js';

describe('certificates', () => testCertificates(server));
describe('secrets', () => testSecrets(server));
describe('mounted', () =>
  testMounted(started, async (tls, create) => {
    const app = create();
    return [await started('a', { server: app, path: '/', tls }), app];
  }));
