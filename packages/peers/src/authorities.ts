import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';

/** Maximum number of certificates between a server's certificate and that of the authority. */
const MAX_CHAIN = 8;

/** Parses PEM certificates. Throws if one of the strings contains no certificate. */
export function parseAuthorities(ca: string | Buffer | readonly (string | Buffer)[]): X509Certificate[] {
  return [ca].flat().flatMap((pem) => {
    const blocks = pem.toString().split(/(?=-----BEGIN [A-Z ]*CERTIFICATE-----)/);
    const certificates = blocks.filter((block) => block.startsWith('-----BEGIN'));
    if (certificates.length === 0) throw new TypeError('ca contains a text without a certificate');
    return certificates.map((block) => new X509Certificate(block));
  });
}

/**
 * Returns whether a certificate was issued by one of the authorities, directly or through
 * intermediate authorities. The client sends the intermediate certificates, and Node.js links them
 * by name only. So this function verifies every signature in the chain.
 */
export function comesFrom(authorities: readonly X509Certificate[], certificate: DetailedPeerCertificate): boolean {
  let current = certificate;
  for (let i = 0; i < MAX_CHAIN; i += 1) {
    const parsed = new X509Certificate(current.raw);
    if (!isValidNow(parsed)) return false;
    if (authorities.some((authority) => isSignedBy(parsed, authority) && isValidNow(authority))) return true;
    const { issuerCertificate: next } = current;
    if (next === undefined || next === current || !isSignedBy(parsed, new X509Certificate(next.raw))) return false;
    current = next;
  }
  return false;
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isValidNow({ validFrom, validTo }: X509Certificate): boolean {
  const now = Date.now();
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}
