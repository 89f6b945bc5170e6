import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

/**
 * Makes a server start TLS on a connection only when the first bytes arrive. In a flood of
 * connections, most send nothing. As long as TLS has not started, they cost only a fraction of the
 * time and memory. If nothing arrives within `timeoutMs`, closes the connection and calls
 * `onSilent`.
 */
export function startTlsOnFirstBytes(server: HttpsServer, timeoutMs: number, onSilent: (socket: Socket) => void): void {
  const [startTls] = server.listeners('connection') as [(socket: Socket) => void];
  server.off('connection', startTls);
  server.on('connection', (socket: Socket) => {
    const onTimeout = (): void => {
      socket.destroy();
      onSilent(socket);
    };
    socket.setTimeout(timeoutMs, onTimeout);
    // Without an error listener, a socket error would end the process.
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      socket.setTimeout(0, onTimeout);
      socket.pause();
      socket.unshift(bytes);
      startTls.call(server, socket);
    });
  });
}
