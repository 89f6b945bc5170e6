import { KontikiError, type Logger, type ServerId } from '@kontiki/core';
import { checkNames } from './check-names.js';
import type { PeerLimits } from './limits.js';
import { checkExposure, LOOPBACK } from './listening.js';
import type { SecurityOptions } from './security.js';

/** The port and host that the transport's own server listens on. */
export interface ListenOptions {
  /** The port number, or 0 to let the system choose one. `transport.port` is the actual port. */
  readonly port: number;
  /** The name or address of the interface to listen on. Default `127.0.0.1`. */
  readonly host?: string | undefined;
}

/** Options that all Node.js transports have in common. */
export interface TransportOptions extends SecurityOptions {
  /** The transport's logger. Default: no logging. */
  readonly logger?: Logger | undefined;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<PeerLimits> | undefined;
  /**
   * A random number generator for the delays between attempts. It returns uniformly distributed
   * numbers in [0, 1). Default `Math.random`.
   */
  readonly random?: (() => number) | undefined;
  /**
   * Returns the address at which to dial a server, given its address in the membership. This is
   * needed in networks that translate addresses, such as container networks. Called for each
   * attempt. Default: the address in the membership.
   */
  readonly dial?: ((id: ServerId, address: string) => string) | undefined;
}

/**
 * Throws `KONTIKI_BAD_OPTION` if an option is invalid. Also throws if other machines can reach the
 * host even though `security` does not allow connections from them.
 */
export function checkListen(options: ListenOptions, { tls, secrets, insecure = false }: SecurityOptions = {}): void {
  checkNames('listen', options, ['port', 'host']);
  const { host = LOOPBACK, port } = options;
  checkExposure(host, insecure || tls !== undefined || secrets !== undefined);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new KontikiError('KONTIKI_BAD_OPTION', `listen.port must be an integer of 0 to 65535, not ${port}.`);
  }
}
