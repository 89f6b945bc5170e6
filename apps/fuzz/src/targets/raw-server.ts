import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { check } from '../target.js';

/** Milliseconds after which a server must have closed a connection that its client has ended. */
const CLOSE_TIMEOUT = 5_000;

/**
 * Sends an input to a port of this machine and ends the connection. Resolves with everything that
 * was received when the server has closed the connection. Rejects if the server does not close it.
 */
async function exchange(port: number, input: Uint8Array): Promise<string> {
  let received = '';
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('data', (bytes: Buffer) => {
    if (received.length < 65_536) received += bytes.toString('latin1');
  });
  // The server may reset the connection while bytes are on the way.
  socket.on('error', () => {});
  const timer = setTimeout(() => socket.destroy(new Error('timeout')), CLOSE_TIMEOUT);
  socket.end(input);
  let isTimeout = false;
  socket.once('error', (error) => (isTimeout = error.message === 'timeout'));
  await once(socket, 'close').catch(() => {});
  clearTimeout(timer);
  check(!isTimeout, 'the server closes a connection that its client has ended');
  return received;
}

/**
 * Sends an input to an HTTP server, and checks that it answers with HTTP or not at all, and that
 * no answer contains a stack trace or a path of this machine.
 */
export async function exchangeHttp(port: number, input: Uint8Array): Promise<void> {
  const received = await exchange(port, input);
  check(received === '' || /^HTTP\/1\.1 [1-5][0-9][0-9] /.test(received), 'the server answers with HTTP');
  check(
    !received.includes(import.meta.dirname) && !received.includes('\n    at '),
    'answers have no paths and no stacks',
  );
}
