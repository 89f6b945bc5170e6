import type { Identity, ServerId } from '@kontiki/core';
import { HandshakeError } from './handshake-error.js';

/** Version of the handshake and of what follows it. A server refuses any other. */
export const PROTOCOL_VERSION = 1;

/** Says who speaks and who is meant. Travels in HTTP headers, both ways, before any message is let in. */
export interface Hello {
  readonly cluster: string;
  readonly from: ServerId;
  readonly to: ServerId;
  readonly incarnation: number;
  /** The checksum of the cluster's first entry; undefined while the speaker is blank. */
  readonly genesis: number | undefined;
}

/** Header names are in lower case, as Node gives them. */
type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const ID = /^[A-Za-z0-9._-]{1,64}$/;
const NUMBER = /^[1-9][0-9]{0,15}$/;
const MAX_GENESIS = 0xffff_ffff;

/** What `self` says to `to`, as HTTP headers. */
export function helloHeaders(self: Identity, to: ServerId): Record<string, string> {
  return {
    'kontiki-version': `${PROTOCOL_VERSION}`,
    'kontiki-cluster': self.cluster,
    'kontiki-from': self.server,
    'kontiki-to': to,
    'kontiki-incarnation': `${self.incarnation}`,
    ...(self.genesis === undefined ? {} : { 'kontiki-genesis': `${self.genesis}` }),
  };
}

/**
 * Reads the other side's hello and checks that this connection may be. Throws a `HandshakeError`.
 * `dialed`: the server that `self` meant to reach; undefined where `self` was dialed.
 */
export function checkHello(self: Identity, headers: Headers, dialed?: ServerId): Hello {
  const hello = readHello(headers);
  const { cluster, from, to, incarnation, genesis } = hello;
  if (cluster !== self.cluster) {
    throw new HandshakeError(
      'cluster',
      `${from} is a server of cluster ${cluster}; this is ${self.server} of ${self.cluster}.`,
    );
  }
  if (from === self.server) {
    throw new HandshakeError(
      'self',
      incarnation === self.incarnation
        ? `${from} has dialed itself: an address in the membership is wrong.`
        : `Another process runs as ${from}: two servers must never share an id. Stop one of them.`,
    );
  }
  if (dialed !== undefined && from !== dialed) {
    throw new HandshakeError(
      'receiver',
      `${from} answers where ${dialed} was dialed: an address in the membership is wrong.`,
    );
  }
  if (to !== self.server) {
    throw new HandshakeError('receiver', `${from} meant to reach ${to}; this is ${self.server}.`);
  }
  if (genesesDiffer(genesis, self.genesis)) {
    throw new HandshakeError(
      'genesis',
      `${from} was begun with another list of servers than ${self.server}: they are not of one cluster, though its id is the same.`,
    );
  }
  return hello;
}

/** Whether both are known and are not the same. */
function genesesDiffer(one: number | undefined, other: number | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other;
}

/**
 * Whether a connection must be made anew, with `genesis` being what this server knows now, `sentGenesis` what it knew in the
 * handshake and `receivedGenesis` what it was told then: so a server that was blank is checked once it is not.
 */
export function isHandshakeOutdated(
  genesis: number | undefined,
  sentGenesis: number | undefined,
  receivedGenesis: number | undefined,
): boolean {
  return genesis !== sentGenesis && genesis !== receivedGenesis;
}

function readHello(headers: Headers): Hello {
  const version = headers['kontiki-version'];
  if (version !== `${PROTOCOL_VERSION}`) {
    throw new HandshakeError(
      'version',
      version === undefined
        ? 'No Kontiki handshake.'
        : `The handshake is of version ${quoted(version)}; this server speaks version ${PROTOCOL_VERSION}.`,
    );
  }
  const genesis = headers['kontiki-genesis'];
  return {
    cluster: id(headers, 'kontiki-cluster'),
    from: id(headers, 'kontiki-from'),
    to: id(headers, 'kontiki-to'),
    incarnation: number(headers, 'kontiki-incarnation', Number.MAX_SAFE_INTEGER),
    genesis: genesis === undefined ? undefined : number(headers, 'kontiki-genesis', MAX_GENESIS),
  };
}

function id(headers: Headers, name: string): string {
  const value = headers[name];
  if (typeof value === 'string' && ID.test(value)) return value;
  throw new HandshakeError('malformed', `The handshake's ${name} is ${quoted(value)}, which is no id.`);
}

function number(headers: Headers, name: string, max: number): number {
  const value = headers[name];
  if (typeof value === 'string' && NUMBER.test(value) && Number(value) <= max) return Number(value);
  throw new HandshakeError(
    'malformed',
    `The handshake's ${name} is ${quoted(value)}, which is not a number of 1 to ${max}.`,
  );
}

/** Foreign text, made fit for a log line. */
function quoted(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 80);
}
