import type { Identity, ServerId } from '@kontiki/core';
import { isId } from '@kontiki/core/wire';
import { Refusal } from './refusal.js';

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
 * Reads the other side's hello and checks that this connection may be. Throws a `Refusal`.
 * `dialled`: the server that `self` meant to reach; undefined where `self` was dialled.
 */
export function checkHello(self: Identity, headers: Headers, dialled?: ServerId): Hello {
  const hello = readHello(headers);
  const { cluster, from, to, incarnation, genesis } = hello;
  if (cluster !== self.cluster) {
    throw new Refusal(
      'cluster',
      `${from} is a server of cluster ${cluster}; this is ${self.server} of ${self.cluster}.`,
    );
  }
  if (from === self.server) {
    throw new Refusal(
      'self',
      incarnation === self.incarnation
        ? `${from} has dialled itself: an address in the membership is wrong.`
        : `Another process runs as ${from}: two servers must never share an id. Stop one of them.`,
    );
  }
  if (dialled !== undefined && from !== dialled) {
    throw new Refusal(
      'receiver',
      `${from} answers where ${dialled} was dialled: an address in the membership is wrong.`,
    );
  }
  if (to !== self.server) {
    throw new Refusal('receiver', `${from} meant to reach ${to}; this is ${self.server}.`);
  }
  if (genesesDiffer(genesis, self.genesis)) {
    throw new Refusal(
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
 * Whether a connection must be made anew, with `genesis` being what this server knows now, `told` what it knew in the
 * handshake and `heard` what it was told then: so a server that was blank is checked once it is not.
 */
export function handshakeOutdated(
  genesis: number | undefined,
  told: number | undefined,
  heard: number | undefined,
): boolean {
  return genesis !== told && genesis !== heard;
}

function readHello(headers: Headers): Hello {
  const version = headers['kontiki-version'];
  if (version !== `${PROTOCOL_VERSION}`) {
    throw new Refusal(
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
  if (isId(value)) return value;
  throw new Refusal('malformed', `The handshake's ${name} is ${quoted(value)}, which is no id.`);
}

function number(headers: Headers, name: string, max: number): number {
  const value = headers[name];
  if (typeof value === 'string' && NUMBER.test(value) && Number(value) <= max) return Number(value);
  throw new Refusal('malformed', `The handshake's ${name} is ${quoted(value)}, which is not a number of 1 to ${max}.`);
}

/** Foreign text, made fit for a log line. */
function quoted(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 80);
}
