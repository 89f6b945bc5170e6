import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { check } from '../target.js';

/**
 * Time limit, in milliseconds, for a server to close a connection after its client has ended it.
 */
const CLOSE_TIMEOUT = 5_000;

/** How long a client waits for an answer before it ends its connection. */
export interface Patience {
  /**
   * Number of event loop turns to wait. The server runs in the same process and needs only a few
   * turns, even on a busy machine. Timers would leave the process idle most of the time.
   */
  readonly turns: number;
  /** Called after half of the turns in `turns`. */
  readonly onHalf?: () => void;
}

/**
 * Sends an input to a port on this machine, and ends the connection when `patience` runs out.
 * Resolves with all received bytes when the server has closed the connection. Rejects if the server
 * does not close the connection.
 */
async function exchange(port: number, input: Uint8Array, { turns, onHalf }: Patience): Promise<string> {
  let received = '';
  let silentTurns = 0;
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('data', (bytes: Buffer) => {
    silentTurns = 0;
    if (received.length < 65_536) received += bytes.toString('latin1');
  });
  // The server may reset the connection while bytes are in flight.
  socket.on('error', () => {});
  let isTimeout = false;
  const timer = setTimeout(() => {
    isTimeout = true;
    socket.destroy();
  }, CLOSE_TIMEOUT);
  const wait = (): void => {
    if (socket.destroyed) return;
    if (silentTurns === turns) return void socket.end();
    silentTurns += 1;
    if (silentTurns === turns >> 1) onHalf?.();
    setImmediate(wait);
  };
  socket.write(input);
  if (turns === 0) socket.end();
  else socket.once('connect', wait);
  await once(socket, 'close').catch(() => {});
  clearTimeout(timer);
  check(!isTimeout, 'the server closes a connection that its client has ended');
  return received;
}

/**
 * Sends an input to an HTTP server. Checks that the server sends either an HTTP response or
 * nothing, and that the server does not fail. Also checks that no response contains a stack trace
 * or a path of this machine. Returns the status of every response. When the client ends the
 * connection, Node.js drops the responses that the server has not sent yet. For a server that
 * responds later, `patience` must include turns.
 */
export async function exchangeHttp(port: number, input: Uint8Array, patience: Patience): Promise<readonly number[]> {
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
