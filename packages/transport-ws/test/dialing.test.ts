import { testDialing } from '../../peers/test/transports/dialing.js';
import { started } from './servers.js';

testDialing(started);
