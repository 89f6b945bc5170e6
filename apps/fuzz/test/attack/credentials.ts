import { randomBytes } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { SecurityOptions } from '@kontiki/peers';
import { parseSecrets } from '../../../../packages/peers/src/secret.js';
import { Authority } from '../../../../packages/peers/test/transports/certificates.js';

/** Credentials that a server must not accept. */
interface WrongCredentials {
  /** Options that an attacker uses to connect, or undefined for a connection without TLS. */
  readonly options: ConnectionOptions | undefined;
  /** The reason why a server refuses these credentials. */
  readonly reason: string;
  /**
   * The code that a server logs when it first refuses these credentials. Set for two of the
   * credentials in each list.
   */
  readonly code?: string;
}

/** The credentials of a cluster's servers, and those that its attackers have. */
export interface Credentials {
  /** Returns a server's options. */
  readonly security: (id: string) => Promise<SecurityOptions>;
  /**
   * Returns valid options for a client that acts as server `s0`, `s1`… of the cluster. Returns
   * undefined for a connection without TLS.
   */
  readonly client: (stranger: number) => ConnectionOptions | undefined;
  readonly wrong: readonly WrongCredentials[];
}

/**
 * Number of servers that the attackers pretend to be. They belong to the cluster, but no membership
 * names them.
 */
export const STRANGERS = 1_000;
/** Number of server names in one certificate. */
const GROUP = 50;

/** Returns credentials for a cluster that accepts every client. */
export async function nothing(): Promise<Credentials> {
  return { security: async () => ({}), client: () => undefined, wrong: [] };
}

/** OpenSSL's error code for a message that was encrypted with the wrong key. */
export const BAD_RECORD = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';

/**
 * Returns credentials for a cluster in which each server has a certificate. The attackers have
 * valid and wrong certificates.
 */
export async function certificates(): Promise<Credentials> {
  const [authority, other] = [await Authority.create(), await Authority.create('other')];
  const groups = Array.from({ length: STRANGERS / GROUP }, (_, group) =>
    Array.from({ length: GROUP }, (_, i) => `kontiki://c-1/s${group * GROUP + i}`),
  );
  const issued = await Promise.all(groups.map((uris) => authority.issue({ uris })));
  const clients = issued.map((tls) => tls as ConnectionOptions);
  const uris = groups.flat();
  const issue = async (options: Parameters<Authority['issue']>[0], from = authority): Promise<ConnectionOptions> =>
    (await from.issue(options)) as ConnectionOptions;
  return {
    security: async (id) => ({ tls: await authority.issue({ uris: [`kontiki://c-1/${id}`] }) }),
    client: (stranger) => clients[Math.floor(stranger / GROUP)],
    wrong: [
      { options: await issue({ uris, days: -1 }), reason: 'tls', code: 'CERT_HAS_EXPIRED' },
      { options: await issue({ uris }, other), reason: 'tls', code: 'SELF_SIGNED_CERT_IN_CHAIN' },
      { options: {}, reason: 'tls' },
      { options: undefined, reason: 'tls' },
      { options: await issue({ uris: ['kontiki://c-1/other'] }), reason: 'identity' },
      { options: await issue({ uris: uris.map((uri) => uri.replace('c-1', 'c-2')) }), reason: 'identity' },
    ],
  };
}

/**
 * Returns credentials for a cluster in which all servers and attackers have the same secret. The
 * attackers also have wrong secrets.
 */
export async function secrets(): Promise<Credentials> {
  const key = randomBytes(32);
  const [{ identity } = { identity: '' }] = parseSecrets([key]);
  const client = (psk: Buffer, name: string): ConnectionOptions => ({
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
    pskCallback: () => ({ psk, identity: name }),
  });
  const valid = client(key, identity);
  return {
    security: async () => ({ secrets: [key.toString('base64')] }),
    client: () => valid,
    wrong: [
      { options: client(randomBytes(32), identity), reason: 'tls', code: BAD_RECORD },
      { options: client(key, 'x'), reason: 'tls', code: 'ERR_SSL_PSK_IDENTITY_NOT_FOUND' },
      { options: {}, reason: 'tls' },
      { options: undefined, reason: 'tls' },
    ],
  };
}
