import { KontikiError } from '@kontiki/core';

/**
 * A peer's address as a URL: scheme, host, port, and perhaps a path; nothing that carries secrets or is lost on the
 * way. Throws `KONTIKI_BAD_OPTION`. `schemes` with their colon: `['ws:', 'wss:']`.
 */
export function parseAddress(address: string, schemes: readonly string[]): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw bad(address, 'it is no URL');
  if (!schemes.includes(url.protocol)) throw bad(address, `its scheme is none of ${schemes.join(' ')}`);
  // The address stands in the log and in every status: a password has no place there.
  if (url.username !== '' || url.password !== '') throw bad(url.host, 'it carries credentials');
  if (url.search !== '' || url.hash !== '') throw bad(address, 'it has more than a host, a port and a path');
  return url;
}

function bad(address: string, fault: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', `${JSON.stringify(address)} is no address of a peer: ${fault}.`);
}
