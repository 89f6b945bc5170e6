import { testLinks } from '../../peers/test/transports/links.js';
import { started } from './servers.js';

testLinks(started, { connections: 3, ping: 1_000 });
