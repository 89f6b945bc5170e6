import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { KontikiError } from '@kontiki/core';
import { checkListen, type ListenOptions, type TransportOptions } from '@kontiki/peers';

interface OwnServer extends TransportOptions {
  readonly listen: ListenOptions;
  readonly server?: undefined;
}

interface UsersServer extends TransportOptions {
  /** The application's own server, which goes on serving everything else and is never closed by the transport. */
  readonly server: HttpServer | HttpsServer;
  /** Where on it peers connect; part of this server's address in the membership. Default `/kontiki`. */
  readonly path?: string | undefined;
  readonly listen?: undefined;
}

export type WebSocketOptions = OwnServer | UsersServer;

/** Throws `KONTIKI_BAD_OPTION`. */
export function checkOptions(options: WebSocketOptions): void {
  if ((options.listen === undefined) === (options.server === undefined)) throw bad('Give either listen or server.');
  if (options.listen !== undefined) {
    checkListen(options.listen, options.insecure);
  } else if (options.path !== undefined && !/^\/[A-Za-z0-9._~/-]*$/.test(options.path)) {
    throw bad(`path must begin with a slash and need no escapes, unlike ${JSON.stringify(options.path)}.`);
  }
}

function bad(message: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message);
}
