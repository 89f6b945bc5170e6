import { KontikiError, type Logger } from '@kontiki/core';
import { checkNames } from './check-names.js';
import type { PeerLimits } from './limits.js';
import { checkExposure, LOOPBACK } from './listening.js';

/** The port and host of a server that the transport creates. */
export interface ListenOptions {
  /** 0 lets the system choose a port. `transport.port` is the chosen port. */
  readonly port: number;
  /** The name or address of the interface. Default `127.0.0.1`. */
  readonly host?: string | undefined;
}

/** The options that all transports on Node.js have. */
export interface TransportOptions {
  /** Accepts peers from other machines, although peers are not authenticated. Default false. */
  readonly insecure?: boolean | undefined;
  /** Default: logs nothing. */
  readonly logger?: Logger | undefined;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<PeerLimits> | undefined;
  /**
   * Returns numbers that are uniform in [0, 1), for delays between attempts. Default `Math.random`.
   */
  readonly random?: (() => number) | undefined;
}

/** Throws `KONTIKI_BAD_OPTION` if the transport cannot or may not listen there. */
export function checkListen(options: ListenOptions, insecure = false): void {
  checkNames('listen', options, ['port', 'host']);
  const { host = LOOPBACK, port } = options;
  checkExposure(host, insecure);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new KontikiError('KONTIKI_BAD_OPTION', `listen.port must be an integer of 0 to 65535, not ${port}.`);
  }
}
