import { WebSocketTransport } from '@kontiki/transport-ws';
import { testCluster } from '../../peers/test/transports/cluster.js';

testCluster('ws', (port) => new WebSocketTransport({ listen: { port } }));
