import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { KontikiError } from '@kontiki/core';
import { checkListen, type ListenOptions, secretsNeedListen, type TransportOptions } from '@kontiki/peers';

interface ListeningOptions extends TransportOptions {
  /** Port and host of the server that the transport creates. */
  readonly listen: ListenOptions;
  readonly server?: undefined;
}

interface MountedOptions extends TransportOptions {
  /**
   * The application's server. The transport handles upgrades on `path` and never closes the server.
   */
  readonly server: HttpServer | HttpsServer;
  /**
   * Path to which peers connect. It is part of this server's address in the membership. Default:
   * `/kontiki`.
   */
  readonly path?: string | undefined;
  readonly listen?: undefined;
}

export type WebSocketOptions = ListeningOptions | MountedOptions;

/** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
export function checkOptions(options: WebSocketOptions): void {
  if (typeof options !== 'object' || options === null) throw badOption('Set either listen or server.');
  if ((options.listen === undefined) === (options.server === undefined)) {
    throw badOption('Set either listen or server.');
  }
  if (options.listen !== undefined) {
    checkListen(options.listen, options);
  } else if (options.secrets !== undefined) {
    throw secretsNeedListen();
  } else if (options.path !== undefined && !/^\/[A-Za-z0-9._~/-]*$/.test(options.path)) {
    throw badOption(
      `path must start with a slash and contain only the characters A-Z a-z 0-9 . _ ~ / -, not ${JSON.stringify(options.path)}.`,
    );
  }
}

function badOption(message: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message);
}
