import { isId } from '../id.js';
import { membershipFault, type Membership } from '../log/membership.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import { protocolError, type Reader } from './reader.js';
import { textLength, type Writer } from './writer.js';

const MAX_SERVERS = 32;
const MAX_ADDRESS = 512;
const MAX_METADATA = 1024;

/** Flags for a server's parts in a membership, combined in one byte. */
const VOTER = 1;
const OUTGOING = 2;
const LEARNER = 4;
const LEARNER_NEXT = 8;

/**
 * Returns the number of bytes of an encoded membership: a count, then id, address, metadata and
 * parts of each server. Servers keep their order in the map, so equal memberships have equal bytes.
 */
export function membershipLength({ servers }: Membership): number {
  let length = 4;
  for (const [id, { address, metadata }] of servers) {
    length += textLength(id) + textLength(address) + textLength(metadata) + 1;
  }
  return length;
}

export function writeMembership(writer: Writer, membership: Membership): void {
  const { voters, outgoing, learners, learnersNext, servers } = membership;
  writer.u32(servers.size);
  for (const [id, { address, metadata }] of servers) {
    writer.text(id);
    writer.text(address);
    writer.text(metadata);
    writer.u8(
      (voters.includes(id) ? VOTER : 0) |
        (outgoing.includes(id) ? OUTGOING : 0) |
        (learners.includes(id) ? LEARNER : 0) |
        (learnersNext.includes(id) ? LEARNER_NEXT : 0),
    );
  }
}

export function readMembership(reader: Reader): Membership {
  const count = reader.count(7);
  if (count > MAX_SERVERS) throw protocolError(`A membership of ${count} servers exceeds the limit of ${MAX_SERVERS}.`);
  const servers = new Map<ServerId, ServerInfo>();
  const parts: [ServerId, number][] = [];
  for (let i = 0; i < count; i += 1) {
    const id = reader.text(64);
    if (!isId(id)) throw protocolError(`${JSON.stringify(id)} is not a server id.`);
    if (servers.has(id)) throw protocolError(`Server ${id} is listed twice.`);
    servers.set(id, { address: reader.text(MAX_ADDRESS), metadata: reader.text(MAX_METADATA) });
    const part = reader.u8();
    if (part > 15) throw protocolError(`Server ${id} has the unknown part ${part}.`);
    parts.push([id, part]);
  }
  const those = (part: number): ServerId[] => parts.filter(([, p]) => (p & part) !== 0).map(([id]) => id);
  const membership = {
    voters: those(VOTER),
    outgoing: those(OUTGOING),
    learners: those(LEARNER),
    learnersNext: those(LEARNER_NEXT),
    servers,
  };
  const fault = membershipFault(membership);
  if (fault !== undefined) throw protocolError(`A membership is invalid: ${fault}.`);
  return membership;
}

/** Returns why a membership is too large to encode, as part of a sentence; undefined if it fits. */
export function membershipOversize({ servers }: Membership): string | undefined {
  if (servers.size > MAX_SERVERS) return `it has ${servers.size} servers, more than ${MAX_SERVERS}`;
  for (const [id, { address, metadata }] of servers) {
    if (textLength(address) - 2 > MAX_ADDRESS) return `the address of ${id} has more than ${MAX_ADDRESS} bytes`;
    if (textLength(metadata) - 2 > MAX_METADATA) return `the metadata of ${id} have more than ${MAX_METADATA} bytes`;
  }
  return undefined;
}
