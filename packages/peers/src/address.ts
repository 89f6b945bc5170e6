import { KontikiError } from '@kontiki/core';

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http:', 'http:'],
  ['ws:', 'http:'],
  ['https:', 'https:'],
  ['wss:', 'https:'],
]);

/**
 * A peer's address as a URL of `http:` or `https:`: scheme, host, port, and perhaps a path; nothing that carries secrets
 * or is lost on the way. `ws:` and `wss:` are taken for these: addresses stand in the membership, and a cluster must be
 * able to change its transport. Throws `KONTIKI_BAD_OPTION`.
 */
export function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw bad(address, 'it is no URL');
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) throw bad(address, `its scheme is none of ${[...SCHEMES.keys()].join(' ')}`);
  url.protocol = scheme;
  // The address stands in the log and in every status: a password has no place there.
  if (url.username !== '' || url.password !== '') throw bad(url.host, 'it carries credentials');
  if (url.search !== '' || url.hash !== '') throw bad(address, 'it has more than a host, a port and a path');
  return url;
}

function bad(address: string, fault: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', `${JSON.stringify(address)} is no address of a peer: ${fault}.`);
}
