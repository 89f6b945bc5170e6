import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { KontikiError, type Logger } from '@kontiki/core';
import { checkExposure, type PeerLimits } from '@kontiki/peers';

/** A port of its own. */
export interface ListenOptions {
  /** 0 lets the system choose; `transport.port` tells which. */
  readonly port: number;
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined;
}

interface CommonOptions {
  /** Lets peers come from beyond this machine, though nothing proves who they are. Default false. */
  readonly insecure?: boolean | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
  readonly limits?: Partial<PeerLimits> | undefined;
  /** Uniform in [0, 1), for the delays between attempts. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

interface OwnServer extends CommonOptions {
  readonly listen: ListenOptions;
  readonly server?: undefined;
}

interface UsersServer extends CommonOptions {
  /** The application's own server, which goes on serving everything else and is never closed by the transport. */
  readonly server: HttpServer | HttpsServer;
  /** Where on it peers connect; part of this server's address in the membership. Default `/kontiki`. */
  readonly path?: string | undefined;
  readonly listen?: undefined;
}

export const LOOPBACK = '127.0.0.1';

export type WebSocketOptions = OwnServer | UsersServer;

/** Throws `KONTIKI_BAD_OPTION`. */
export function checkOptions(options: WebSocketOptions): void {
  if ((options.listen === undefined) === (options.server === undefined)) throw bad('Give either listen or server.');
  if (options.listen !== undefined) {
    const { host = LOOPBACK, port } = options.listen;
    checkExposure(host, options.insecure === true);
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      throw bad(`listen.port must be an integer of 0 to 65535, not ${port}.`);
    }
  } else if (options.path !== undefined && !/^\/[A-Za-z0-9._~/-]*$/.test(options.path)) {
    throw bad(`path must begin with a slash and need no escapes, unlike ${JSON.stringify(options.path)}.`);
  }
}

function bad(message: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message);
}
