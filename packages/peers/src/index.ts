/** The parts that Kontiki's transports share on Node.js. Only authors of transports need them. */
export { parseAddress } from './address.js';
export { Backoff } from './backoff.js';
export { Body, type BodyFault } from './body.js';
export {
  checkHello,
  checkRequest,
  checkResponse,
  type Claims,
  claimsOf,
  type Hello,
  helloHeaders,
  isHandshakeOutdated,
  PROTOCOL_VERSION,
  type Sent,
} from './handshake.js';
export { describeReason, HandshakeError, type HandshakeErrorReason, REFUSED_HEADER } from './handshake-error.js';
export { peerLimits, type PeerLimits, SILENT_TICKS } from './limits.js';
export { type Bound, boundOf, checkExposure, isLoopback, listen, LOOPBACK } from './listening.js';
export { checkListen, type ListenOptions, type TransportOptions } from './options.js';
export { OwnServer } from './own-server.js';
export { type Context, type Listener, type Peer, PeerTransport, receiveFrame } from './peer-transport.js';
export { Reconnector } from './reconnector.js';
export { logRefusal, parserRefusal, type Refusal, type RefusalReason, Refusals } from './refusals.js';
export { PeerSecurity, type PeerTls, secretsNeedListen, type SecurityOptions } from './security.js';
export { BATCH_BYTES, SendQueue } from './send-queue.js';
export { ThrottledLogger } from './throttled-logger.js';
