import { HttpTransport } from '@kontiki/transport-http';
import { testCluster } from '../../peers/test/transports/cluster.js';

testCluster('http', (port) => new HttpTransport({ listen: { port } }));
