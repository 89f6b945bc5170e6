import { randomBytes } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { SecurityOptions } from '@kontiki/peers';
import { parseSecrets } from '../../../../packages/peers/src/secret.js';
import { Authority } from '../../../../packages/peers/test/transports/certificates.js';

/** Credentials that a server must not accept. */
interface WrongCredentials {
  /** What an attacker connects with. Undefined for a connection without TLS. */
  readonly options: ConnectionOptions | undefined;
  /** The reason for which a server refuses them. */
  readonly reason: string;
  /** The code that the first refusal of a server logs, for two of them in each list. */
  readonly code?: string;
}

/** How the servers of a cluster authenticate each other, and what its attackers have. */
export interface Credentials {
  /** Returns the options of a server. */
  readonly security: (id: string) => Promise<SecurityOptions>;
  /**
   * Returns valid options of a client that acts as the server `s0`, `s1`… of the cluster. Undefined
   * for a connection without TLS.
   */
  readonly client: (stranger: number) => ConnectionOptions | undefined;
  readonly wrong: readonly WrongCredentials[];
}

/** Servers of the cluster that no membership names, as which the attackers act. */
export const STRANGERS = 1_000;
/** Names in one certificate. */
const GROUP = 50;

/** Every client is accepted. */
export async function nothing(): Promise<Credentials> {
  return { security: async () => ({}), client: () => undefined, wrong: [] };
}

/** The code with which OpenSSL refuses a message that was encrypted with another key. */
export const BAD_RECORD = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';

/** Each server has a certificate. The attackers have valid ones too, and wrong ones. */
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

/** All servers and attackers have the same secret. The attackers also have wrong ones. */
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
