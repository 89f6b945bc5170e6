import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';

/** Maximum number of certificates between a server's and that of an authority. */
const MAX_CHAIN = 8;

/** Parses all certificates in PEM texts. */
export function parseAuthorities(ca: string | Buffer | readonly (string | Buffer)[]): X509Certificate[] {
  const text = [ca].flat().join('\n');
  const blocks = text.split(/(?=-----BEGIN [A-Z ]*CERTIFICATE-----)/).filter((block) => block.startsWith('-----BEGIN'));
  return blocks.map((block) => new X509Certificate(block));
}

/** Returns whether one of the authorities signed the certificate, or one of those that lead to it. */
export function comesFrom(authorities: readonly X509Certificate[], certificate: DetailedPeerCertificate): boolean {
  let current: DetailedPeerCertificate | undefined = certificate;
  for (let i = 0; i < MAX_CHAIN && current?.raw !== undefined; i += 1) {
    const parsed = new X509Certificate(current.raw);
    if (authorities.some((authority) => parsed.checkIssued(authority) && parsed.verify(authority.publicKey)))
      return true;
    current = current.issuerCertificate === current ? undefined : current.issuerCertificate;
  }
  return false;
}
