import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { check } from '../target.js';

/** Milliseconds after which a server must have closed a connection that its client has ended. */
const CLOSE_TIMEOUT = 5_000;

/**
 * Ticks to wait for an answer, which a complete request gets much earlier. Ticks are counted instead
 * of milliseconds, because the server runs in the same process, and makes progress between ticks.
 */
export const PATIENCE = 25;
const TICK_MS = 2;

/**
 * Sends an input to a port of this machine, and ends the connection after `patience` ticks without an
 * answer. Resolves with everything that was received when the server has closed the connection.
 * Rejects if the server does not close it.
 */
async function exchange(port: number, input: Uint8Array, patience: number): Promise<string> {
  let received = '';
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('data', (bytes: Buffer) => {
    if (received.length < 65_536) received += bytes.toString('latin1');
  });
  // The server may reset the connection while bytes are on the way.
  socket.on('error', () => {});
  let isTimeout = false;
  const timer = setTimeout(() => {
    isTimeout = true;
    socket.destroy();
  }, CLOSE_TIMEOUT);
  socket.write(input);
  if (patience === 0) socket.end();
  let silentTicks = 0;
  socket.on('data', () => (silentTicks = 0));
  const ticks = setInterval(() => {
    silentTicks += 1;
    if (silentTicks === patience) socket.end();
  }, TICK_MS);
  await once(socket, 'close').catch(() => {});
  clearTimeout(timer);
  clearInterval(ticks);
  check(!isTimeout, 'the server closes a connection that its client has ended');
  return received;
}

/**
 * Sends an input to an HTTP server, and checks that it answers with HTTP or not at all, that it does
 * not fail, and that no answer contains a stack trace or a path of this machine. Returns the status
 * of every answer. Node.js drops the answers that a server has not made when the client ends the
 * connection, so a server that makes them later needs `patience`.
 */
export async function exchangeHttp(port: number, input: Uint8Array, patience = 0): Promise<readonly number[]> {
  const received = await exchange(port, input, patience);
  check(received === '' || /^HTTP\/1\.1 [1-5][0-9][0-9] /.test(received), 'the server answers with HTTP');
  check(
    !received.includes(import.meta.dirname) && !received.includes('\n    at '),
    'answers have no paths and no stacks',
  );
  const statuses = [...received.matchAll(/HTTP\/1\.1 ([1-5][0-9][0-9]) /g)].map(([, status]) => Number(status));
  check(!statuses.includes(500), 'the server does not fail');
  return statuses;
}
