export type { ListenOptions, WebSocketOptions } from './options.js';
export { WebSocketTransport } from './transport.js';
