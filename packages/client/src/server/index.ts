export { Watches } from './changes.js';
export type { Change } from './changes.js';
export { handler } from './handler.js';
export type { HandlerOptions } from './handler.js';
export { disconnectSignal, sessionOf } from './request.js';
export { statusOf } from './status.js';
