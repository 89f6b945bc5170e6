import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WebSocket, WebSocketServer } from 'ws';

const FRAME = 252 * 1024;

/**
 * Returns the throughput of one WebSocket to another process, in bytes per second. Sends frames of
 * 252 KiB with an all-zero mask, each once the operating system has accepted the previous frame.
 * Sends all bytes twice and measures only the second time, because both processes have then
 * compiled their code.
 */
export async function rawWebSocket(bytes: number): Promise<number> {
  const receiver = fork(fileURLToPath(import.meta.url), ['receiver', String(bytes)]);
  try {
    const [port] = (await once(receiver, 'message')) as [number];
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
      perMessageDeflate: false,
      generateMask: (mask) => mask.fill(0),
    });
    await once(socket, 'open');
    const frame = new Uint8Array(FRAME).fill(7);
    const send = async (): Promise<void> => {
      const received = once(socket, 'message');
      for (let at = 0; at < bytes; at += FRAME) {
        await new Promise<void>((resolve, reject) =>
          socket.send(frame, (error) => (error ? reject(error) : resolve())),
        );
      }
      await received;
    };
    await send();
    const start = performance.now();
    await send();
    const rate = (bytes * 1_000) / (performance.now() - start);
    socket.terminate();
    return rate;
  } finally {
    receiver.kill();
  }
}

/**
 * Runs in the other process. Discards the received frames and replies when all `bytes` have
 * arrived.
 */
async function receive(bytes: number): Promise<void> {
  process.on('disconnect', () => process.exit());
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  await once(server, 'listening');
  const address = server.address();
  server.on('connection', (socket) => {
    let received = 0;
    socket.on('message', (data: Buffer) => {
      received += data.length;
      if (received < bytes) return;
      received = 0;
      socket.send('all');
    });
  });
  process.send?.(typeof address === 'object' ? address?.port : address);
}

if (process.argv[2] === 'receiver') await receive(Number(process.argv[3]));
