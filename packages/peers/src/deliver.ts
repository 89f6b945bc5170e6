import type { ServerId } from '@kontiki/core';
import { decodeFrame, protocolError } from '@kontiki/core/wire';
import type { Context } from './context.js';

/** Hands over what a frame holds, for as long as `open()`. Throws `KONTIKI_PROTOCOL` where it is no good frame. */
export function deliver(context: Context, from: ServerId, bytes: Uint8Array, open: () => boolean): void {
  const { group, messages } = decodeFrame(bytes);
  if (group !== 0) throw protocolError(`A frame is of the unknown group ${group}.`);
  for (const message of messages) {
    // The receiver may close the transport meanwhile.
    if (!open()) return;
    context.receive(from, message);
  }
}
