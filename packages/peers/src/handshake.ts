import type { IncomingMessage } from 'node:http';
import type { Identity, ServerId } from '@kontiki/core';
import { ADDRESSES_HEADER, addressesHeader, learnAddresses } from './announcements.js';
import { FRAMING, isId } from '@kontiki/core/wire';
import { HandshakeError } from './handshake-error.js';
import type { Context } from './peer-transport.js';

/**
 * The version of the handshake. A server refuses all other versions. This version will never
 * change, because everything after the handshake is negotiated in the header `kontiki-framing`.
 *
 * The handshake is a set of `kontiki-…` headers that each side sends in an HTTP request or response
 * before any message is accepted. The headers name the cluster, the sending server and the intended
 * receiver, so a wrong address is detected immediately. They also contain the sender's genesis and
 * its incarnation, a random number drawn at each start. The genesis is the checksum of the
 * cluster's first entry. It distinguishes clusters with the same id that were bootstrapped with
 * different lists of servers. A blank server has no genesis yet, and learns it later from the log
 * (see `isHandshakeOutdated`). The handshake identifies servers. `PeerSecurity` authenticates them.
 *
 * `kontiki-epoch` is the epoch of a recovered cluster, 32 hexadecimal digits. Servers with
 * different epochs refuse each other, so that servers that were left behind cannot disturb the
 * recovered cluster. A server of a cluster that was never recovered omits the header. A server that
 * is not in any membership yet sends `any`, because the log that it is receiving may contain
 * earlier epochs.
 *
 * `kontiki-framing` is the range of frame versions that a server supports, for example `1-2`. Both
 * servers choose the highest version that is in both ranges. A server that sends no range supports
 * version 1. Headers with unknown names are ignored.
 *
 * `kontiki-addresses` contains the addresses that servers announced, including the sender's own. It
 * is used only after the sender has been authenticated.
 */
export const PROTOCOL_VERSION = 1;

/** The contents of a handshake. */
export interface Hello {
  readonly cluster: string;
  /** The id of the server that sent the handshake. */
  readonly from: ServerId;
  /** The id of the server that `from` intends to reach. */
  readonly to: ServerId;
  readonly incarnation: number;
  /** The checksum of the cluster's first entry. It is undefined while `from` is blank. */
  readonly genesis: number | undefined;
  /**
   * The epoch of the server `from`. It is empty unless the cluster was recovered, and undefined
   * while the server has no epoch yet.
   */
  readonly epoch: string | undefined;
  /** The frame version that both servers use after the handshake. */
  readonly framing: number;
  /** The announced addresses from the header, not parsed yet. */
  readonly addresses: string | readonly string[] | undefined;
}

/** HTTP headers, keyed by lowercase name as in Node.js. */
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const NUMBER = /^[1-9][0-9]{0,15}$/;
const MAX_GENESIS = 0xffff_ffff;
const EPOCH = /^[0-9a-f]{32}$/;
const ANY_EPOCH = 'any';
const FRAMING_RANGE = /^([1-9][0-9]?)-([1-9][0-9]?)$/;

/** Returns the headers of the handshake that `self` sends to `to`. */
export function helloHeaders(self: Identity, to: ServerId): Record<string, string> {
  const { genesis, epoch = genesis === undefined ? '' : ANY_EPOCH, announcements } = self;
  const addresses = announcements === undefined ? '' : addressesHeader(announcements);
  return {
    'kontiki-version': `${PROTOCOL_VERSION}`,
    'kontiki-cluster': self.cluster,
    'kontiki-from': self.server,
    'kontiki-to': to,
    'kontiki-incarnation': `${self.incarnation}`,
    'kontiki-framing': `${FRAMING.min}-${FRAMING.max}`,
    ...(genesis === undefined ? {} : { 'kontiki-genesis': `${genesis}` }),
    ...(epoch === '' ? {} : { 'kontiki-epoch': epoch }),
    ...(addresses === '' ? {} : { [ADDRESSES_HEADER]: addresses }),
  };
}

/**
 * Parses the other server's handshake. Throws a `HandshakeError` if `self` must not communicate
 * with that server. `dialed` is the server that `self` dialed, or undefined if `self` was dialed.
 */
export function checkHello(self: Identity, headers: Headers, dialed?: ServerId): Hello {
  const hello = parseHello(headers);
  const { cluster, from, to, incarnation, genesis, epoch } = hello;
  if (cluster !== self.cluster) {
    throw new HandshakeError(
      'cluster',
      `${from} belongs to cluster ${cluster}, but this is server ${self.server} of cluster ${self.cluster}.`,
    );
  }
  if (from === self.server) {
    throw new HandshakeError(
      'self',
      incarnation === self.incarnation
        ? `${from} dialed itself. Correct the addresses in the membership.`
        : `Another process runs as ${from}. Two servers must never share an id: stop one of them.`,
    );
  }
  if (dialed !== undefined && from !== dialed) {
    throw new HandshakeError(
      'receiver',
      `${from} answered at the address of ${dialed}. Correct the addresses in the membership.`,
    );
  }
  if (to !== self.server) {
    throw new HandshakeError(
      'receiver',
      `${from} tried to reach ${to}, but this is ${self.server}. Correct the addresses in the membership.`,
    );
  }
  if (genesis !== undefined && self.genesis !== undefined && genesis !== self.genesis) {
    throw new HandshakeError(
      'genesis',
      `The clusters of ${from} and ${self.server} have the same id, but started with different lists of servers. Bootstrap the servers of one cluster with the same list.`,
    );
  }
  if (epoch !== undefined && self.epoch !== undefined && epoch !== self.epoch) {
    throw new HandshakeError('epoch', describeEpochs(self, from, epoch));
  }
  return hello;
}

/**
 * Returns a sentence that states which of two servers must lose its data. After two separate
 * recoveries, the operator has to choose.
 */
function describeEpochs(self: Identity, from: ServerId, epoch: string): string {
  if (epoch !== '' && self.epoch !== '')
    return `The clusters of ${from} and ${self.server} were recovered separately. Decide which cluster to keep, empty the servers of the other one, and let them join.`;
  const [left, other] = epoch === '' ? [from, self.server] : [self.server, from];
  return `${left} was left behind when the cluster of ${other} was recovered. Stop ${left}, empty it, and let it join as a new server.`;
}

/**
 * Checks a request from another server and returns its handshake. Throws a `HandshakeError` if the
 * request comes from a browser or from a client that is not authenticated. Also throws if the
 * client's certificate does not name the server that sent the handshake.
 */
export function checkRequest({ self, security }: Context, { headers, socket }: IncomingMessage): Hello {
  security.checkClient(socket);
  if (headers.origin !== undefined) {
    throw new HandshakeError('browser', 'The request has an Origin header, so it comes from a browser.');
  }
  const hello = checkHello(self, headers);
  security.checkName(socket, self.cluster, hello.from);
  learnAddresses(self, hello.addresses);
  return hello;
}

/**
 * Checks the response from the server `dialed` and returns its handshake. Throws a `HandshakeError`
 * if the two servers must not communicate. The TLS connection has already authenticated that
 * server.
 */
export function checkResponse({ self }: Context, headers: Headers, dialed: ServerId): Hello {
  const hello = checkHello(self, headers, dialed);
  learnAddresses(self, hello.addresses);
  return hello;
}

/** The values in a handshake that a server may only learn after its start. */
export type Claims = Pick<Identity, 'genesis' | 'epoch'>;

/** The values that a server has sent in a handshake. */
export interface Sent extends Claims {
  /** The version of the announced addresses that the server has sent. */
  announced: number | undefined;
}

/** Returns the values that this server would send in a handshake now. */
export function claimsOf({ genesis, epoch, announcements }: Identity): Sent {
  return { genesis, epoch, announced: announcements?.version };
}

/**
 * Returns whether the two servers must repeat their handshake, because this server has learned its
 * genesis or its epoch since the last handshake. `now` holds this server's current values, and
 * `sent` and `received` those of the last handshake. If the last handshake already contained a
 * value, in either direction, that value needs no new handshake, because one of the servers has
 * checked it.
 */
export function isHandshakeOutdated(now: Claims, sent: Claims, received: Claims): boolean {
  const isOutdated = (name: keyof Claims): boolean => now[name] !== sent[name] && now[name] !== received[name];
  return isOutdated('genesis') || isOutdated('epoch');
}

function parseHello(headers: Headers): Hello {
  const version = headers['kontiki-version'];
  if (version !== `${PROTOCOL_VERSION}`) {
    throw new HandshakeError(
      'version',
      version === undefined
        ? 'There is no Kontiki handshake, so the other side is not a Kontiki server.'
        : `The handshake has version ${quote(version)}, but this server supports only version ${PROTOCOL_VERSION}.`,
    );
  }
  const genesis = headers['kontiki-genesis'];
  return {
    cluster: parseId(headers, 'kontiki-cluster'),
    from: parseId(headers, 'kontiki-from'),
    to: parseId(headers, 'kontiki-to'),
    incarnation: parseNumber(headers, 'kontiki-incarnation', Number.MAX_SAFE_INTEGER),
    genesis: genesis === undefined ? undefined : parseNumber(headers, 'kontiki-genesis', MAX_GENESIS),
    epoch: parseEpoch(headers['kontiki-epoch'], genesis === undefined),
    framing: chooseFraming(headers['kontiki-framing'] ?? '1-1'),
    addresses: headers[ADDRESSES_HEADER],
  };
}

/** Returns the highest frame version that both servers support. */
function chooseFraming(range: string | readonly string[]): number {
  const [, min, max] = (typeof range === 'string' ? FRAMING_RANGE.exec(range) : undefined) ?? [];
  if (min === undefined || max === undefined || Number(min) > Number(max)) {
    throw new HandshakeError('malformed', `The header kontiki-framing must be a range like 1-2, not ${quote(range)}.`);
  }
  const version = Math.min(Number(max), FRAMING.max);
  if (version >= Math.max(Number(min), FRAMING.min)) return version;
  throw new HandshakeError(
    'version',
    `The other server supports frames of versions ${min} to ${max}, but this server supports ${FRAMING.min} to ${FRAMING.max}. Update the older server.`,
  );
}

function parseId(headers: Headers, name: string): string {
  const value = headers[name];
  if (isId(value)) return value;
  throw new HandshakeError('malformed', `The header ${name} must be an id, not ${quote(value)}.`);
}

function parseEpoch(value: string | readonly string[] | undefined, isBlank: boolean): string | undefined {
  if (value === undefined) return isBlank ? undefined : '';
  if (value === ANY_EPOCH) return undefined;
  if (typeof value === 'string' && EPOCH.test(value)) return value;
  throw new HandshakeError('malformed', `The header kontiki-epoch must be 32 hexadecimal digits, not ${quote(value)}.`);
}

function parseNumber(headers: Headers, name: string, max: number): number {
  const value = headers[name];
  if (typeof value === 'string' && NUMBER.test(value) && Number(value) <= max) return Number(value);
  throw new HandshakeError('malformed', `The header ${name} must be an integer of 1 to ${max}, not ${quote(value)}.`);
}

/**
 * Quotes and truncates text from another server, so that log messages stay short and on one line.
 */
function quote(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 80);
}
