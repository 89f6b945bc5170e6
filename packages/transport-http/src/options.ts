import { checkListen, type ListenOptions, type TransportOptions } from '@kontiki/peers';

export interface HttpOptions extends TransportOptions {
  /**
   * Port and host of the server that the transport creates. Without this option, mount
   * `transport.handler` on the application's server.
   */
  readonly listen?: ListenOptions | undefined;
}

/** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
export function checkOptions({ listen, insecure }: HttpOptions): void {
  if (listen !== undefined) checkListen(listen, insecure);
}
