import { testDelivery } from '../../peers/test/transports/delivery.js';
import { started } from './servers.js';

testDelivery(started);
