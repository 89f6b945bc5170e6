import { KontikiError } from '@kontiki/core';

/** A peer's address as a URL of one of these schemes (`ws:`), without credentials, query or fragment. */
export function peerUrl(address: string, schemes: readonly string[]): URL {
  const refuse = (why: string, cause?: unknown): KontikiError =>
    new KontikiError('KONTIKI_BAD_OPTION', `The address ${JSON.stringify(address)} cannot be used: ${why}.`, { cause });
  let url: URL;
  try {
    url = new URL(address);
  } catch (error) {
    throw refuse(`it is no URL such as ${schemes[0]}//10.0.0.1:7001`, error);
  }
  if (!schemes.includes(url.protocol)) throw refuse(`its scheme must be ${schemes.join(' or ')}`);
  if (url.username !== '' || url.password !== '') throw refuse('it must carry no credentials');
  if (url.search !== '' || url.hash !== '') throw refuse('it must have no query and no fragment');
  return url;
}

/** Whether only this machine reaches a host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\.[0-9.]+$/.test(host);
}

/** Peers are not authenticated, so listening where others reach it must be spelled out. */
export function refuseOpenListening(host: string, insecure: boolean): void {
  if (insecure || isLoopback(host)) return;
  throw new KontikiError(
    'KONTIKI_BAD_OPTION',
    `Listening on ${host} would let anyone who reaches it take part in the cluster: peers are not authenticated. Listen on 127.0.0.1, or set insecure: true on a network you trust.`,
  );
}
