import { isIPv4, type Server } from 'node:net';
import { KontikiError } from '@kontiki/core';

/** The default host on which a server listens. */
export const LOOPBACK = '127.0.0.1';

/**
 * Returns whether a host is reachable only from this machine. `host` is an address or `localhost`.
 */
export function isLoopback(host: string): boolean {
  const plain = withoutBrackets(host);
  const address = plain.startsWith('::ffff:') ? plain.slice(7) : plain;
  return address === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/** An address of this machine, and a port on this address. */
export interface Bound {
  readonly host: string;
  readonly port: number;
}

/**
 * Returns the address and port on which a server is listening, or undefined if it is not listening.
 */
export function boundOf(server: Server): Bound | undefined {
  const address = server.address();
  return address === null || typeof address === 'string' ? undefined : { host: address.address, port: address.port };
}

/**
 * Throws `KONTIKI_BAD_OPTION` if other machines can reach `host`, unless `isAllowed` is true. If
 * peers are not authenticated, any client that reaches the port could vote and write entries.
 */
export function checkExposure(host: string, isAllowed: boolean): void {
  if (isAllowed || isLoopback(host)) return;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `Cannot listen on ${host || 'all interfaces'}: any client that reaches the port could act as a server of the cluster. Set tls or secrets, listen on 127.0.0.1, or set insecure: true if you trust the network.`,
  );
}

/**
 * Starts listening. On failure, rejects with a `KONTIKI_LISTEN` error whose `cause` is the system's
 * error.
 */
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
    server.listen(port, withoutBrackets(host));
  });
}

/**
 * Removes the brackets that an IPv6 address has in a URL. System calls reject addresses with
 * brackets.
 */
function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

const noSuchAddress = 'this machine does not have this address. Correct the host';

const faults: ReadonlyMap<string | undefined, string> = new Map([
  ['EADDRINUSE', 'another process, or another server in this process, uses the port. Stop it or choose another port'],
  ['EADDRNOTAVAIL', noSuchAddress],
  ['ENOTFOUND', noSuchAddress],
  ['EACCES', 'this process has no permission to use the port. Ports below 1024 usually require it'],
]);

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  return `Cannot listen on ${host} port ${port}: ${faults.get(error.code) ?? error.message}.`;
}
