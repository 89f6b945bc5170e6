import type { ServerId } from '@kontiki/core';

/** The name of a server in its certificate, as a URI among the subject alternative names. */
export function serverUri(cluster: string, server: ServerId): string {
  return `kontiki://${cluster}/${server}`;
}

/** One name in the text that Node.js makes of the names, for example `DNS:a.example` or `URI:"…"`. */
const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/**
 * Returns the URIs among a certificate's subject alternative names. Node.js quotes names with special
 * characters, so a comma inside a name does not begin another name. Returns no URIs for text that
 * has another format.
 */
export function uriNames(subjectAltName: string | undefined): string[] {
  const uris: string[] = [];
  NAME.lastIndex = 0;
  while (subjectAltName !== undefined && NAME.lastIndex < subjectAltName.length) {
    const [, kind, value] = NAME.exec(subjectAltName) ?? [];
    if (value === undefined) return [];
    if (kind === 'URI' && !value.startsWith('"')) uris.push(value);
  }
  return uris;
}
