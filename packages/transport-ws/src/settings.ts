import type { ClientOptions } from 'ws';
import { MAX_FRAME } from '@kontiki/core/wire';

/** The WebSocket subprotocol: one binary message a frame of `@kontiki/core/wire`. */
export const SUBPROTOCOL = 'kontiki.1';

/** What both ends ask of `ws`. */
export const socketOptions: Pick<
  ClientOptions,
  'perMessageDeflate' | 'maxPayload' | 'maxFragments' | 'maxBufferedChunks'
> = {
  // Five times slower with it, and a way to make a small frame fill the memory.
  perMessageDeflate: false,
  maxPayload: MAX_FRAME,
  // Peers send every frame whole; TCP may cut it into as many pieces as it likes, of 1,460 bytes mostly.
  maxFragments: 4,
  maxBufferedChunks: 16_384,
};
