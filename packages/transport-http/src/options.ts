import { checkListen, type ListenOptions, type TransportOptions } from '@kontiki/peers';

export interface HttpOptions extends TransportOptions {
  /** A port of its own. Without it, peers come in through `transport.handler`, mounted on the application's server. */
  readonly listen?: ListenOptions | undefined;
}

/** Throws `KONTIKI_BAD_OPTION`. */
export function checkOptions({ listen, insecure }: HttpOptions): void {
  if (listen !== undefined) checkListen(listen, insecure);
}
