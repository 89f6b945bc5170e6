import { KontikiError } from '@kontiki/core';

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http:', 'http:'],
  ['ws:', 'http:'],
  ['https:', 'https:'],
  ['wss:', 'https:'],
]);

/**
 * Parses a peer's address and returns it as a URL with the scheme `http:` or `https:`. The schemes
 * `ws:` and `wss:` are converted, so that a cluster can change its transport without changing the
 * addresses in its membership. Throws `KONTIKI_BAD_OPTION` for other schemes, and for URLs with
 * credentials, a query or a fragment.
 */
export function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw badAddress(address, 'it is not a URL');
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) {
    throw badAddress(address, `its scheme is not one of ${[...SCHEMES.keys()].join(' ')}`);
  }
  url.protocol = scheme;
  // Addresses are stored in the log and shown in `status()`, so they must not contain a password.
  // The error must not contain one either.
  if (url.username !== '' || url.password !== '') throw badAddress(url.host, 'it has credentials');
  if (url.search !== '' || url.hash !== '') throw badAddress(address, 'it has a query or a fragment');
  return url;
}

function badAddress(address: string, fault: string): KontikiError {
  return new KontikiError(
    'KONTIKI_BAD_OPTION',
    `${JSON.stringify(address)} is not the address of a peer: ${fault}. An address has a scheme, a host, and optionally a port and a path.`,
  );
}
