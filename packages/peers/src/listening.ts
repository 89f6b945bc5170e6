import { isIPv4, type Server } from 'node:net';
import { KontikiError } from '@kontiki/core';

/** The default host to listen on. */
export const LOOPBACK = '127.0.0.1';

/** Returns whether only this machine can reach an address. `host` may also be `localhost`. */
export function isLoopback(host: string): boolean {
  const address = host.startsWith('::ffff:') ? host.slice(7) : host;
  return address === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/**
 * Throws `KONTIKI_BAD_OPTION` if other machines can reach `host` and `insecure` is not set. Peers
 * are not authenticated, so every client that reaches the port could vote and write entries.
 */
export function checkExposure(host: string, insecure: boolean): void {
  if (insecure || isLoopback(host)) return;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `Cannot listen on ${host || 'all interfaces'}: every client that reaches the port could act as a server of the cluster. Listen on 127.0.0.1, or set insecure: true if you trust the network.`,
  );
}

/** Starts to listen. Rejects with `KONTIKI_LISTEN`. The `cause` is the system's error. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.off('listening', onListening);
      reject(new KontikiError('KONTIKI_LISTEN', explain(error, host, port), { cause: error }));
    };
    const onListening = (): void => {
      server.off('error', onError);
      resolve();
    };
    server.once('error', onError);
    server.once('listening', onListening);
    server.listen(port, host);
  });
}

const noSuchAddress = 'this machine does not have this address. Correct the host';

const faults: ReadonlyMap<string | undefined, string> = new Map([
  ['EADDRINUSE', 'another process, or another server in this process, uses the port. Stop it or choose another port'],
  ['EADDRNOTAVAIL', noSuchAddress],
  ['ENOTFOUND', noSuchAddress],
  ['EACCES', 'this process lacks the permission, which ports below 1024 usually need'],
]);

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  return `Cannot listen on ${host} port ${port}: ${faults.get(error.code) ?? error.message}.`;
}
