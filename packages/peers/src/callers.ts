import type { IncomingMessage } from 'node:http';
import type { Context } from './context.js';
import { checkHello, type Hello } from './handshake.js';
import { isLoopback } from './listening.js';
import { HandshakeError } from './handshake-error.js';

/** Reads who calls, from the headers of its request, and checks that it may. Throws a `HandshakeError`. */
export function checkCaller({ self }: Context, { headers, socket }: IncomingMessage, insecure = false): Hello {
  // The user's server may have begun to listen elsewhere only after `start`.
  if (!insecure && socket.localAddress !== undefined && !isLoopback(socket.localAddress)) {
    throw new HandshakeError(
      'exposed',
      'It comes from beyond this machine. Where the network is trusted, say insecure: true.',
    );
  }
  if (headers.origin !== undefined)
    throw new HandshakeError('browser', 'It has an Origin, so it comes from a browser.');
  return checkHello(self, headers);
}

export function logHandshakeError(
  { logger }: Context,
  { reason, message }: HandshakeError,
  from: string | undefined,
): void {
  logger.log('warn', `refused ${reason}`, `refused a connection: ${message}`, { reason, from });
}
