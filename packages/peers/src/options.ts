import { KontikiError, type Logger } from '@kontiki/core';
import { checkNames } from './check-names.js';
import type { PeerLimits } from './limits.js';
import { checkExposure, LOOPBACK } from './listening.js';

/** A port of its own. */
export interface ListenOptions {
  /** 0 lets the system choose; `transport.port` tells which. */
  readonly port: number;
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined;
}

/** What every transport on Node can be told. */
export interface TransportOptions {
  /** Lets peers come from beyond this machine, though nothing proves who they are. Default false. */
  readonly insecure?: boolean | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
  readonly limits?: Partial<PeerLimits> | undefined;
  /** Uniform in [0, 1), for the delays between attempts. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Throws `KONTIKI_BAD_OPTION`. */
export function checkListen(options: ListenOptions, insecure = false): void {
  checkNames('listen', options, ['port', 'host']);
  const { host = LOOPBACK, port } = options;
  checkExposure(host, insecure);
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new KontikiError('KONTIKI_BAD_OPTION', `listen.port must be an integer of 0 to 65535, not ${port}.`);
  }
}
