import type { ServerId } from '@kontiki/core';

/** The name of a server in its certificate, as a URI among the subject alternative names. */
export function serverUri(cluster: string, server: ServerId): string {
  return `kontiki://${cluster}/${server}`;
}

/**
 * Returns the URIs among a certificate's subject alternative names. Node.js formats the names as
 * text, for example `DNS:a.example, URI:kontiki://c/a`. Node.js quotes names with special
 * characters, so a comma inside a name does not start another name. Quoted URIs are omitted,
 * because the names of servers contain no special characters.
 */
export function uriNames(subjectAltName = ''): string[] {
  const names = [''];
  let isQuoted = false;
  let isEscaped = false;
  for (const char of subjectAltName) {
    if (char === ',' && !isQuoted) names.push('');
    else names[names.length - 1] += char;
    if (char === '"' && !isEscaped) isQuoted = !isQuoted;
    isEscaped = char === '\\' && !isEscaped;
  }
  return names
    .map((name, i) => (i === 0 ? name : name.replace(/^ /, '')))
    .filter((name) => name.startsWith('URI:') && !name.includes('"'))
    .map((name) => name.slice('URI:'.length));
}
