export type { ListenOptions } from '@kontiki/peers';
export type { HttpOptions } from './options.js';
export { HttpTransport } from './transport.js';
