import { KontikiError } from '@kontiki/core';

/** Why a connection is refused, told to the other side in the header `kontiki-refused`: */
export type HandshakeErrorReason =
  /** The handshake cannot be read. */
  | 'malformed'
  /** It is of another version, or there is none. */
  | 'version'
  /** The other side belongs to another cluster. */
  | 'cluster'
  /** The other side is, or means, another server than this connection is between. */
  | 'receiver'
  /** The other side bears this server's own id. */
  | 'self'
  /** Both sides' clusters have one id, and were begun with different lists of servers. */
  | 'genesis'
  /** It comes from a browser. */
  | 'browser'
  /** It arrives from beyond this machine at a server that was not told to allow that. */
  | 'exposed'
  /** This server has as many connections as it allows. */
  | 'busy';

const meanings: Readonly<Record<HandshakeErrorReason, string>> = {
  malformed: 'the handshake cannot be read',
  version: 'it speaks another version',
  cluster: 'it belongs to another cluster',
  receiver: 'it is another server',
  self: 'it bears the same id',
  genesis: 'its cluster was begun with another list of servers',
  browser: 'it takes no connections from browsers',
  exposed: 'it takes no connections from beyond its machine',
  busy: 'it has as many connections as it allows',
};

/** The header in which a refusing server says why. */
export const REFUSED_HEADER = 'kontiki-refused';

/** A connection that may not be. `message` is for this server's log and isn't sent. */
export class HandshakeError extends KontikiError {
  readonly reason: HandshakeErrorReason;

  constructor(reason: HandshakeErrorReason, message: string) {
    super('KONTIKI_PROTOCOL', message);
    this.name = 'HandshakeError';
    this.reason = reason;
  }
}

/** What the header of a refusing server means, for a log line. Unknown values aren't repeated. */
export function describeReason(header: unknown): string | undefined {
  return typeof header === 'string' && Object.hasOwn(meanings, header)
    ? meanings[header as HandshakeErrorReason]
    : undefined;
}
