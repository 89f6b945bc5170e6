import { constants, X509Certificate } from 'node:crypto';
import type { Server as HttpsServer, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import {
  type ConnectionOptions,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  TLSSocket,
} from 'node:tls';
import { type Identity, KontikiError, type ServerId } from '@kontiki/core';
import { comesFrom, parseAuthorities } from './authorities.js';
import { checkNames } from './check-names.js';
import { serverUri, uriNames } from './certificate-names.js';
import { HandshakeError } from './handshake-error.js';
import { isLoopback } from './listening.js';
import { parseSecrets, type Secret } from './secret.js';

type Pem = string | Buffer;

/** The certificate of this server and the authorities that it trusts, in PEM format. */
export interface PeerTls {
  /**
   * This server's certificate, followed by the certificates of intermediate authorities, if any.
   */
  readonly cert: Pem;
  /** The private key of the certificate. */
  readonly key: Pem;
  /**
   * The authorities that may issue the certificates of peers. Several authorities may be valid at
   * the same time.
   */
  readonly ca: Pem | Pem[];
}

/**
 * The options by which servers authenticate each other. At most one of `tls` and `secrets` is set.
 */
export interface SecurityOptions {
  /** Mutual TLS: each server proves its id with a certificate. */
  readonly tls?: PeerTls | undefined;
  /**
   * TLS with a pre-shared key. Each key is 32 to 256 random bytes, or their base64 form. This
   * server dials with the first key and accepts all keys. Anyone who holds a key can act as any
   * server.
   */
  readonly secrets?: readonly (string | Uint8Array)[] | undefined;
  /**
   * Whether to accept peers from other machines even though they are not authenticated. Default
   * false. Not needed with `tls` or `secrets`.
   */
  readonly insecure?: boolean | undefined;
}

/**
 * The only pre-shared key cipher suite that has both forward secrecy and authenticated encryption.
 */
const PSK_CIPHERS = 'ECDHE-PSK-CHACHA20-POLY1305';

type Mode =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'tls';
      readonly tls: PeerTls;
      readonly authorities: readonly X509Certificate[];
      readonly context: SecureContext;
    }
  | { readonly kind: 'secret'; readonly secrets: readonly Secret[]; readonly context: SecureContext };

/**
 * Authenticates this server and its peers to each other, on connections in both directions.
 *
 * With `tls`, the peer's certificate must come from one of the authorities. The certificate must
 * also name the cluster and the server that the peer claims to be. If only the authority were
 * checked, every server could act as every other server (CVE-2021-37219). Host names are not
 * compared, because an address may change. With `secrets`, both sides prove in the TLS handshake
 * that they have the same key. Resumed sessions are refused, because they would skip these checks
 * after the options have changed.
 */
export class PeerSecurity {
  readonly #insecure: boolean;
  /**
   * For each accepted connection, the names in the client's certificate. The certificate is checked
   * once per connection, and the result applies to all requests on it.
   */
  readonly #names = new WeakMap<TLSSocket, readonly string[]>();
  /** Connections that the transport's own server has accepted. */
  readonly #own = new WeakSet<TLSSocket>();
  /**
   * For each connection to an application's server, whether the client has proved its identity.
   * This is checked once per connection, and the result applies to all requests on it.
   */
  readonly #proven = new WeakMap<TLSSocket, boolean>();
  #mode: Mode;
  #server: HttpsServer | undefined;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. */
  constructor({ tls, secrets, insecure = false }: SecurityOptions) {
    if (tls !== undefined && secrets !== undefined) throw badOption('Set either tls or secrets, not both.');
    this.#insecure = insecure;
    if (tls !== undefined) this.#mode = tlsMode(tls);
    else if (secrets !== undefined) this.#mode = secretMode(secrets);
    else this.#mode = { kind: 'none' };
  }

  /** Whether peers are authenticated. If so, all connections use TLS. */
  get isOn(): boolean {
    return this.#mode.kind !== 'none';
  }

  /** Whether connections from other machines are accepted. */
  get acceptsOtherMachines(): boolean {
    return this.isOn || this.#insecure;
  }

  /** The TLS options of the transport's own server. Undefined if it does not use TLS. */
  get serverOptions(): ServerOptions | undefined {
    const common = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET } as const;
    const mode = this.#mode;
    switch (mode.kind) {
      case 'none':
        return undefined;
      case 'tls':
        return { ...mode.tls, ...common, requestCert: true, rejectUnauthorized: true };
      case 'secret':
        // Using pre-shared keys with TLS 1.3 would require a callback that Node.js does not offer.
        return {
          ...common,
          maxVersion: 'TLSv1.2',
          ciphers: PSK_CIPHERS,
          pskCallback: (_socket: TLSSocket, identity: string) => this.#keyOf(identity),
        };
    }
  }

  /** Records the transport's own server, so that its certificates can be replaced later. */
  serveOn(server: HttpsServer): void {
    this.#server = server;
    server.on('secureConnection', (socket) => this.#own.add(socket));
  }

  /** The options for a connection to a peer. Empty if peers are not authenticated. */
  clientOptions(cluster: string, peer: ServerId): ConnectionOptions {
    const mode = this.#mode;
    switch (mode.kind) {
      case 'none':
        return {};
      case 'tls':
        return {
          secureContext: mode.context,
          rejectUnauthorized: true,
          checkServerIdentity: (_host, certificate) => wrongName(certificate, cluster, peer),
        };
      case 'secret': {
        const [first] = mode.secrets as [Secret];
        return {
          secureContext: mode.context,
          checkServerIdentity: () => undefined,
          pskCallback: () => ({ psk: first.key, identity: first.identity }),
        };
      }
    }
  }

  /** Throws a `HandshakeError` if the client of a connection is not authenticated. */
  checkClient(socket: Socket): void {
    if (!this.isOn) {
      // `start` cannot check this if the application's server starts to listen only after the
      // transport has started.
      const { localAddress } = socket;
      if (this.#insecure || localAddress === undefined || isLoopback(localAddress)) return;
      throw new HandshakeError(
        'exposed',
        'The request comes from another machine. Set tls or secrets, or set insecure: true if you trust the network.',
      );
    }
    if (!(socket instanceof TLSSocket && this.#isProven(socket))) {
      throw new HandshakeError(
        'unauthenticated',
        'The client has no certificate that this server trusts. An https server of the application needs requestCert: true and the same ca as the transport.',
      );
    }
  }

  /**
   * Returns whether a client has proved that it has a secret or a certificate from one of the
   * authorities. The transport's own server accepts no other clients, but an application's server
   * may trust other authorities.
   */
  #isProven(socket: TLSSocket): boolean {
    const mode = this.#mode;
    if (this.#own.has(socket)) return mode.kind === 'secret' || socket.authorized;
    if (mode.kind !== 'tls' || !socket.authorized || socket.isSessionReused()) return false;
    let isProven = this.#proven.get(socket);
    if (isProven === undefined) {
      isProven = comesFrom(mode.authorities, socket.getPeerCertificate(true));
      this.#proven.set(socket, isProven);
    }
    return isProven;
  }

  /** Throws a `HandshakeError` if the certificate of a client does not name the server `from`. */
  checkName(socket: Socket, cluster: string, from: ServerId): void {
    if (this.#mode.kind !== 'tls' || !(socket instanceof TLSSocket)) return;
    let names = this.#names.get(socket);
    if (names === undefined) {
      names = uriNames(socket.getPeerCertificate().subjectaltname);
      this.#names.set(socket, names);
    }
    if (names.includes(serverUri(cluster, from))) return;
    throw new HandshakeError('identity', `A client claims to be ${from}, but ${describe(names)}.`);
  }

  /** Throws `KONTIKI_BAD_OPTION` if this server's own certificate does not name this server. */
  checkOwnName({ cluster, server }: Identity): void {
    if (this.#mode.kind === 'tls') checkOwnName(this.#mode.tls, cluster, server);
  }

  /**
   * Replaces the certificate, the key and the authorities. `self` is undefined before the transport
   * has started.
   */
  setTls(tls: PeerTls, self: Identity | undefined): void {
    if (this.#mode.kind !== 'tls') throw badOption('This transport was created without tls.');
    const mode = tlsMode(tls);
    if (self !== undefined) checkOwnName(tls, self.cluster, self.server);
    this.#mode = mode;
    this.#server?.setSecureContext(this.serverOptions as ServerOptions);
  }

  /** Replaces the shared secrets. */
  setSecrets(secrets: readonly (string | Uint8Array)[]): void {
    if (this.#mode.kind !== 'secret') throw badOption('This transport was created without secrets.');
    this.#mode = secretMode(secrets);
  }

  #keyOf(identity: string): Buffer | null {
    if (this.#mode.kind !== 'secret') return null;
    return this.#mode.secrets.find((secret) => secret.identity === identity)?.key ?? null;
  }
}

function tlsMode(tls: PeerTls): Mode {
  if (typeof tls !== 'object' || tls === null) throw badOption('tls must be an object with cert, key and ca.');
  checkNames('tls', tls, ['cert', 'key', 'ca']);
  const { cert, key, ca } = tls;
  const authorities: readonly unknown[] = [ca].flat();
  // Without `ca`, Node.js would trust the system's authorities.
  if (![cert, key, ...authorities].every(isPem) || authorities.length === 0) {
    throw badOption('tls.cert, tls.key and tls.ca must be strings or Buffers in PEM format, and none may be empty.');
  }
  try {
    const context = createSecureContext({ cert, key, ca, minVersion: 'TLSv1.2' });
    return { kind: 'tls', tls: { cert, key, ca }, authorities: parseAuthorities(ca), context };
  } catch (error) {
    throw badOption(
      `tls cannot be used: ${(error as Error).message}. cert, key and ca must be in PEM format, and the key must fit the certificate.`,
      error,
    );
  }
}

function isPem(value: unknown): boolean {
  return (typeof value === 'string' || Buffer.isBuffer(value)) && value.length > 0;
}

function secretMode(secrets: readonly (string | Uint8Array)[]): Mode {
  const context = createSecureContext({ ciphers: PSK_CIPHERS, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  return { kind: 'secret', secrets: parseSecrets(secrets), context };
}

function checkOwnName({ cert }: PeerTls, cluster: string, server: ServerId): void {
  const names = uriNames(new X509Certificate(cert).subjectAltName);
  if (names.includes(serverUri(cluster, server))) return;
  throw badOption(`This is server ${server} of cluster ${cluster}, but in tls.cert ${describe(names)}.`);
}

function wrongName({ subjectaltname }: PeerCertificate, cluster: string, peer: ServerId): Error | undefined {
  const names = uriNames(subjectaltname);
  if (names.includes(serverUri(cluster, peer))) return undefined;
  return new HandshakeError('identity', `it should be ${peer} of cluster ${cluster}, but ${describe(names)}`);
}

function describe(names: readonly string[]): string {
  return names.length === 0
    ? 'the certificate has no URI of the form kontiki://CLUSTER/SERVER'
    : `the certificate names ${JSON.stringify(names.join(' ')).slice(0, 200)}`;
}

/**
 * Returns the error for `secrets` without `listen`. An application's server authenticates itself
 * with a certificate, so it cannot use secrets.
 */
export function secretsNeedListen(): KontikiError {
  return badOption('secrets need listen: the transport cannot use them on the server of your application. Use tls.');
}

function badOption(message: string, cause?: unknown): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', message, { cause });
}
