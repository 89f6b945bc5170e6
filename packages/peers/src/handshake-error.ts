import { KontikiError } from '@kontiki/core';

/**
 * The reasons for which a server refuses a connection. A refusal names its reason in the header
 * `kontiki-refused`.
 */
export type HandshakeErrorReason =
  /** The handshake cannot be parsed. */
  | 'malformed'
  /** The handshake has a different version or is missing. */
  | 'version'
  /** The other server belongs to another cluster. */
  | 'cluster'
  /** The connection reached a server other than the intended one. */
  | 'receiver'
  /** The other server has this server's own id. */
  | 'self'
  /** The clusters have the same id, but started with different lists of servers. */
  | 'genesis'
  /** The cluster was recovered without one of the two servers. */
  | 'epoch'
  /** The request comes from a web browser. */
  | 'browser'
  /** The request comes from another machine, and peers are not authenticated. */
  | 'exposed'
  /** The other server has no certificate that this server trusts. */
  | 'unauthenticated'
  /** The other server's certificate names another server or another cluster. */
  | 'identity'
  /** The server has reached its limit of connections. */
  | 'busy';

const descriptions: Readonly<Record<HandshakeErrorReason, string>> = {
  malformed: 'it cannot parse the handshake',
  version: 'it supports another version of the handshake',
  cluster: 'it belongs to another cluster',
  receiver: 'it is another server',
  self: 'it has the same id',
  genesis: 'its cluster started with another list of servers',
  epoch: 'a recovery of the cluster left one of the two behind: empty it, let it join',
  browser: 'it accepts no connections from browsers',
  exposed: 'it accepts no connections from other machines',
  unauthenticated: 'it requires a certificate that it trusts',
  identity: 'the certificate of this server names another server or cluster',
  busy: 'it has reached its limit of connections',
};

/** The response header that contains the reason why a server refused a connection. */
export const REFUSED_HEADER = 'kontiki-refused';

/**
 * The error for a connection that must be refused. The other server receives `reason` but not
 * `message`.
 */
export class HandshakeError extends KontikiError {
  readonly reason: HandshakeErrorReason;

  constructor(reason: HandshakeErrorReason, message: string) {
    super('KONTIKI_PROTOCOL', message);
    this.name = 'HandshakeError';
    this.reason = reason;
  }
}

/**
 * Returns a description, for log messages, of the reason in a `kontiki-refused` header. Returns
 * undefined if the reason is unknown, so that arbitrary text from another server is not logged.
 */
export function describeReason(header: unknown): string | undefined {
  return typeof header === 'string' && Object.hasOwn(descriptions, header)
    ? descriptions[header as HandshakeErrorReason]
    : undefined;
}
