import { KontikiError, type ServerId } from '@kontiki/core';
import { isLoopback, type Bound } from './listening.js';

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http:', 'http:'],
  ['ws:', 'http:'],
  ['https:', 'https:'],
  ['wss:', 'https:'],
]);

/**
 * Parses a peer's address and returns it as a URL with the scheme `http:` or `https:`. The schemes
 * `ws:` and `wss:` are converted, so that a cluster can change its transport without changing the
 * addresses in its membership. Throws `KONTIKI_BAD_OPTION` for other schemes, and for a host or
 * port that cannot be dialed. Also throws for spaces and control characters, and for URLs with
 * credentials, a query or a fragment.
 */
export function parseAddress(address: string): URL {
  // `URL` would remove some of these characters and encode others.
  if (/[\s\p{Cc}]/u.test(address)) throw badAddress(address, 'it contains a space or a control character');
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined) throw badAddress(address, 'it is not a URL');
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) {
    throw badAddress(address, `its scheme is not one of ${[...SCHEMES.keys()].join(' ')}`);
  }
  url.protocol = scheme;
  // Addresses are stored in the log and shown in `status()`, so they must not contain a password.
  if (url.username !== '' || url.password !== '') throw badAddress(address, 'it has credentials');
  if (url.port === '0') throw badAddress(address, 'nothing listens on port 0');
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]')
    throw badAddress(address, 'its host means all interfaces of a machine, not one machine');
  if (url.search !== '' || url.hash !== '') throw badAddress(address, 'it has a query or a fragment');
  return url;
}

/**
 * Changes the scheme of an address to `https:`, but keeps its port, which defaults to 80 for
 * `http:`.
 */
export function withTls(url: URL): void {
  if (url.protocol === 'https:') return;
  const port = url.port || '80';
  url.protocol = 'https:';
  url.port = port;
}

/**
 * Throws `KONTIKI_BAD_OPTION` if one of the addresses cannot be dialed, or if two of them are the
 * same.
 */
export function checkAddresses(addresses: ReadonlyMap<ServerId, string>): void {
  const owners = new Map<string, ServerId>();
  for (const [id, address] of addresses) {
    const { href } = parseAddress(address);
    const owner = owners.get(href);
    if (owner !== undefined) throw badAddress(address, `servers ${owner} and ${id} both have it`);
    owners.set(href, id);
  }
}

/**
 * Returns a warning for the log if peers may be unable to reach a server at this address, given the
 * host and port on which it listens. Returns undefined if the two are consistent.
 */
export function misfit(address: string, { host, port }: Bound): string | undefined {
  const url = parseAddress(address);
  const expected = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const text = `this server's address is ${address}, but it listens on ${host} port ${port}`;
  if (expected !== port) return `${text}: peers reach it only if something forwards that port to this one`;
  if (!isLoopback(host) || isLoopback(url.hostname)) return undefined;
  return `${text}: other machines cannot reach it. Set listen.host`;
}

function badAddress(address: string, fault: string): KontikiError {
  // The error must not contain a password, even if the address is not a URL.
  const shown = JSON.stringify(address.slice(address.lastIndexOf('@') + 1));
  return new KontikiError(
    'KONTIKI_BAD_OPTION',
    `${shown} is not the address of a peer: ${fault}. An address has a scheme, a host, and optionally a port and a path.`,
  );
}
