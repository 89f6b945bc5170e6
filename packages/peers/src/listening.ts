import { isIPv4, type Server } from 'node:net';
import { KontikiError } from '@kontiki/core';

/** Where a transport listens that is not told otherwise. */
export const LOOPBACK = '127.0.0.1';

/** Whether an address, or `localhost`, leads to this machine only. */
export function isLoopback(host: string): boolean {
  const address = host.startsWith('::ffff:') ? host.slice(7) : host;
  return address === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/**
 * Refuses, with `KONTIKI_BAD_OPTION`, to be reachable from beyond this machine: peers aren't authenticated, so whoever
 * reaches the port could vote and write.
 */
export function checkExposure(host: string, insecure: boolean): void {
  if (insecure || isLoopback(host)) return;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `Listening on ${host || 'every interface'} would let anyone who reaches the port act as a server of the cluster. Listen on 127.0.0.1, or, on a network you trust, say insecure: true.`,
  );
}

/** Begins to listen. Rejects with `KONTIKI_LISTEN`, the system's error as its cause. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      server.off('listening', listening);
      reject(new KontikiError('KONTIKI_LISTEN', explain(error, host, port), { cause: error }));
    };
    const listening = (): void => {
      server.off('error', failed);
      resolve();
    };
    server.once('error', failed);
    server.once('listening', listening);
    server.listen(port, host);
  });
}

const faults: ReadonlyMap<string | undefined, string> = new Map([
  ['EADDRINUSE', 'another process, or another server here, listens there already'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['ENOTFOUND', 'this machine has no such address'],
  ['EACCES', 'this process may not'],
]);

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const where = `${host} port ${port}`;
  return `Cannot listen on ${where}: ${faults.get(error.code) ?? error.message}.`;
}
