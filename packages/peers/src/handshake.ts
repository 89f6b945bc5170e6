import type { Identity, ServerId } from '@kontiki/core';

/** The version of the conversation; another one is refused. It may change until the first release. */
export const PROTOCOL = 'kontiki.1';

/** What a server says of itself, and whom it means to reach, before any message passes. */
export interface Hello {
  readonly cluster: string;
  readonly from: ServerId;
  readonly to: ServerId;
  readonly incarnation: number;
  /** The checksum of the cluster's first entry; undefined from a blank server. */
  readonly origin: number | undefined;
}

/** The names of the headers, in HTTP's lower case. */
const HEADER = {
  cluster: 'kontiki-cluster',
  from: 'kontiki-from',
  to: 'kontiki-to',
  incarnation: 'kontiki-incarnation',
  origin: 'kontiki-origin',
} as const;

const ID = /^[A-Za-z0-9._-]{1,64}$/;

export function helloHeaders(self: Identity, to: ServerId): Record<string, string> {
  return {
    [HEADER.cluster]: self.cluster,
    [HEADER.from]: self.server,
    [HEADER.to]: to,
    [HEADER.incarnation]: `${self.incarnation}`,
    [HEADER.origin]: `${self.origin ?? ''}`,
  };
}

function wholeNumber(text: string, most: number): number | undefined {
  const number = Number(text);
  return /^[0-9]{1,16}$/.test(text) && number > 0 && number <= most ? number : undefined;
}

/** The hello in a request's or response's headers; undefined when there is none that makes sense. */
export function readHello(headers: Readonly<Record<string, string | string[] | undefined>>): Hello | undefined {
  const text = (name: string): string => {
    const value = headers[name];
    return typeof value === 'string' ? value : '';
  };
  const [cluster, from, to] = [text(HEADER.cluster), text(HEADER.from), text(HEADER.to)];
  const incarnation = wholeNumber(text(HEADER.incarnation), Number.MAX_SAFE_INTEGER);
  const origin = wholeNumber(text(HEADER.origin), 0xffff_ffff);
  const named = [cluster, from, to].every((id) => ID.test(id));
  if (!named || incarnation === undefined || (origin === undefined && text(HEADER.origin) !== '')) return undefined;
  return { cluster, from, to, incarnation, origin };
}

/** Why a server that says this is not heard, in words for both operators; undefined when it is. */
export function refuseHello(self: Identity, hello: Hello | undefined): string | undefined {
  if (hello === undefined) return 'it does not introduce itself as a Kontiki server';
  if (hello.cluster !== self.cluster) return `it is of cluster ${hello.cluster}, this is ${self.cluster}`;
  if (hello.to !== self.server) return `it wants server ${hello.to}, this is ${self.server}`;
  if (hello.from === self.server) return `it says that it is ${self.server} itself: two servers share an id`;
  if (self.origin === undefined || hello.origin === undefined || self.origin === hello.origin) return undefined;
  return `server ${hello.from} was bootstrapped with another list of members`;
}
