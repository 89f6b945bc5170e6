import { checkListen, type ListenOptions, secretsNeedListen, type TransportOptions } from '@kontiki/peers';

export interface HttpOptions extends TransportOptions {
  /**
   * Port and host of the server that the transport creates. Without this option, mount
   * `transport.handler` on the application's server.
   */
  readonly listen?: ListenOptions | undefined;
}

/** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
export function checkOptions(options: HttpOptions): void {
  const { listen, secrets } = options;
  if (listen !== undefined) checkListen(listen, options);
  else if (secrets !== undefined) throw secretsNeedListen();
}
