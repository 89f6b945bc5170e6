/** What Kontiki's transports share on Node. For those who write a transport; users of one need nothing of it. */
export { parseAddress } from './address.js';
export { Backoff } from './backoff.js';
export { checkHello, handshakeOutdated, helloHeaders, PROTOCOL_VERSION, type Hello } from './handshake.js';
export { peerLimits, type PeerLimits } from './limits.js';
export { checkExposure, isLoopback, listen } from './listening.js';
export { BATCH_BYTES, Outbox, type Pushed } from './outbox.js';
export { Refusal, REFUSED_HEADER, refusalMeaning, type RefusalReason } from './refusal.js';
export { ThrottledLogger } from './throttled-logger.js';
