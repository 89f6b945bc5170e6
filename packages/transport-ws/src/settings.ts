import type { ClientOptions } from 'ws';
import { MAX_FRAME } from '@kontiki/core/wire';

/** The WebSocket subprotocol. Each binary message is one frame of `@kontiki/core/wire`. */
export const SUBPROTOCOL = 'kontiki.1';

/** Options for the ws library on both ends of a connection. */
export const socketOptions: Pick<
  ClientOptions,
  'perMessageDeflate' | 'maxPayload' | 'maxFragments' | 'maxBufferedChunks'
> = {
  // Compression would make sending five times slower, and a small message could decompress to a
  // very large one.
  perMessageDeflate: false,
  maxPayload: MAX_FRAME,
  // Peers send each frame as one fragment. TCP may split a fragment into many chunks, usually of
  // 1,460 bytes.
  maxFragments: 4,
  maxBufferedChunks: 16_384,
};
