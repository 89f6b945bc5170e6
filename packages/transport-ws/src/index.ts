export type { ListenOptions } from '@kontiki/peers';
export type { WebSocketOptions } from './options.js';
export { WebSocketTransport } from './transport.js';
