/** What Kontiki's transports share on Node. For those who write a transport; users of one need nothing of it. */
export { parseAddress } from './address.js';
export { Backoff } from './backoff.js';
export { checkCaller, logHandshakeError } from './callers.js';
export type { Context } from './context.js';
export { deliver } from './deliver.js';
export { Reconnector } from './reconnector.js';
export { checkHello, isHandshakeOutdated, helloHeaders, PROTOCOL_VERSION, type Hello } from './handshake.js';
export { peerLimits, type PeerLimits, SILENT_TICKS } from './limits.js';
export { checkExposure, isLoopback, listen, LOOPBACK } from './listening.js';
export { checkListen, type ListenOptions, type TransportOptions } from './options.js';
export { BATCH_BYTES, SendQueue } from './send-queue.js';
export { OwnServer } from './own-server.js';
export { type Listener, type Peer, PeerTransport } from './peer-transport.js';
export { HandshakeError, REFUSED_HEADER, describeReason, type HandshakeErrorReason } from './handshake-error.js';
export { ThrottledLogger } from './throttled-logger.js';
