export { isLoopback, peerUrl, refuseOpenListening } from './address.js';
export { Backoff } from './backoff.js';
export { Complaints } from './complaints.js';
export { helloHeaders, PROTOCOL, readHello, refuseHello, type Hello } from './handshake.js';
export { OutgoingQueue, type Batch } from './outgoing-queue.js';
