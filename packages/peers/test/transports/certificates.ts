import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from '@peculiar/x509';
import { randomBytes, webcrypto } from 'node:crypto';
import type { PeerTls, SecurityOptions } from '@kontiki/peers';

export { ExtendedKeyUsage };

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Ways in which a certificate differs from the default one, which is valid and names server `a`.
 */
export interface CertificateOptions {
  readonly uris?: readonly string[];
  /** DNS names in the certificate. Default: none. */
  readonly names?: readonly string[];
  /** IP addresses in the certificate. Default: none. */
  readonly ips?: readonly string[];
  /**
   * Number of days until the certificate expires, negative if it has already expired. Default 1.
   */
  readonly days?: number;
  /** The roles for which the certificate is valid. Default: both server and client. */
  readonly usages?: readonly ExtendedKeyUsage[];
}

/** An authority that signs certificates for tests. */
export class Authority {
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #certificate: X509Certificate;
  /**
   * The authority that peers trust. For an intermediate authority, this is the one that signed its
   * certificate.
   */
  readonly #root: Authority;

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: X509Certificate, root?: Authority) {
    this.#keys = keys;
    this.#certificate = certificate;
    this.#root = root ?? this;
  }

  static async create(name = 'test'): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + DAY),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new Authority(keys, certificate);
  }

  /** Creates an intermediate authority, whose certificate this authority signs. */
  async intermediate(name: string): Promise<Authority> {
    const keys = await generateKeys();
    return new Authority(keys, await link(name, keys, this.#certificate.subject, this.#keys), this.#root);
  }

  get pem(): string {
    return this.#certificate.toString('pem');
  }

  /** Returns a certificate and its key, with this authority as the only trusted authority. */
  async issue({
    uris = ['kontiki://c-1/a'],
    names = [],
    ips = [],
    days = 1,
    usages = [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
  }: CertificateOptions = {}): Promise<PeerTls> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create({
      subject: 'CN=server',
      issuer: this.#certificate.subject,
      notBefore: new Date(Date.now() - 10 * DAY),
      notAfter: new Date(Date.now() + days * DAY),
      signingAlgorithm: ALGORITHM,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      extensions: [
        new SubjectAlternativeNameExtension([
          ...uris.map((value) => ({ type: 'url' as const, value })),
          ...names.map((value) => ({ type: 'dns' as const, value })),
          ...ips.map((value) => ({ type: 'ip' as const, value })),
        ]),
        new ExtendedKeyUsageExtension([...usages]),
      ],
    });
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    return {
      cert: [certificate, ...(this.#root === this ? [] : [this.#certificate])]
        .map((one) => one.toString('pem'))
        .join('\n'),
      key: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
      ca: this.#root.pem,
    };
  }
}

/**
 * Returns a certificate for an authority, with arbitrary names for the authority and its issuer.
 */
async function link(
  name: string,
  keys: webcrypto.CryptoKeyPair,
  issuer: string,
  signer: webcrypto.CryptoKeyPair,
): Promise<X509Certificate> {
  return X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + DAY),
    signingAlgorithm: ALGORITHM,
    signingKey: signer.privateKey,
    publicKey: keys.publicKey,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
}

/**
 * Returns a certificate that anyone can create. It has the name of one authority, and claims to
 * have been issued by the owner of another certificate.
 */
export async function forgedLink(name: string, issuer: string): Promise<string> {
  const keys = await generateKeys();
  return (await link(name, keys, issuer, keys)).toString('pem');
}

/** Returns the options of a server, with a certificate that names this server in cluster `c-1`. */
export async function tlsFor(authority: Authority, id: string): Promise<{ readonly tls: PeerTls }> {
  return { tls: await authority.issue({ uris: [`kontiki://c-1/${id}`] }) };
}

/** The kinds of authentication, each with the options for a server in the conformance suite. */
export async function allKinds(): Promise<(readonly [name: string, options: (id: string) => SecurityOptions])[]> {
  const authority = await Authority.create();
  const certificates = new Map<string, PeerTls>();
  for (const id of ['a', 'b', 'blank', 'c', 'd', 'foreign', 'leader', 'unused']) {
    certificates.set(id, await authority.issue({ uris: [`kontiki://conformance/${id}`, `kontiki://other/${id}`] }));
  }
  const secrets = [randomBytes(32).toString('base64')];
  return [
    ['', () => ({})],
    [' with certificates', (id) => ({ tls: certificates.get(id) ?? missing(id) })],
    [' with a shared secret', () => ({ secrets })],
  ];
}

function missing(id: string): never {
  throw new Error(`There is no certificate for ${id}.`);
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}
