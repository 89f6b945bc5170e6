import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import type { PeerTls } from '@kontiki/peers';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 60 * 60 * 1_000;
/** Number of days for which a throw-away authority and its certificates are valid. */
const VALID_DAYS = 365;

/** An authority and its private key, in PEM format. */
export interface AuthorityPem {
  readonly cert: string;
  readonly key: string;
}

/** A throw-away authority that signs the certificates of a cluster's servers. */
export class Authority {
  readonly #key: webcrypto.CryptoKey;
  readonly #certificate: X509Certificate;

  private constructor(key: webcrypto.CryptoKey, certificate: X509Certificate) {
    this.#key = key;
    this.#certificate = certificate;
  }

  static async create(cluster: string): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=Kontiki ${cluster}`,
      ...validity(),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new Authority(keys.privateKey, certificate);
  }

  /** Parses the certificate and the key that `pem` returned earlier. */
  static async read({ cert, key }: AuthorityPem): Promise<Authority> {
    const der = Buffer.from(key.replace(/-----[A-Z ]+-----/g, ''), 'base64');
    const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
    return new Authority(privateKey, new X509Certificate(cert));
  }

  async pem(): Promise<AuthorityPem> {
    return { cert: this.#certificate.toString('pem'), key: await pemOf(this.#key) };
  }

  /**
   * Returns a new certificate for a server, as options for a transport. Peers check the URI in the
   * certificate, and clients check that it names this machine.
   */
  async issue(cluster: string, id: string): Promise<{ cert: string; key: string; ca: string } & PeerTls> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${id}`,
      issuer: this.#certificate.subject,
      ...validity(),
      signingAlgorithm: ALGORITHM,
      signingKey: this.#key,
      publicKey: keys.publicKey,
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: 'url', value: `kontiki://${cluster}/${id}` },
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ],
    });
    return {
      cert: certificate.toString('pem'),
      key: await pemOf(keys.privateKey),
      ca: this.#certificate.toString('pem'),
    };
  }
}

/** Returns a validity period that started a day ago, because the machines' clocks may differ. */
function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + VALID_DAYS * DAY) };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
}
