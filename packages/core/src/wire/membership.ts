import { isId } from '../id.js';
import { LEVEL, membershipFault, type Membership } from '../log/membership.js';
import type { Member, ServerId } from '../log/server.js';
import { newerError, protocolError, type Reader } from './reader.js';
import { textLength, type Writer } from './writer.js';

const MAX_SERVERS = 32;
const MAX_ADDRESS = 512;
const MAX_METADATA = 1024;

/** Flags for the roles of a server in a membership. They are combined in one byte. */
const VOTER = 1;
const OUTGOING = 2;
const LEARNER = 4;
const LEARNER_NEXT = 8;

/** Flags of a membership above level 0. */
const UNFOUNDED = 1;
const HAS_EPOCH = 2;
const HAS_LEASE = 4;

/**
 * A bit that is set in the encoded number of servers if the membership has a level above 0. Earlier
 * versions of Kontiki reject such a number.
 */
const HAS_LEVEL = 0x8000_0000;

/**
 * Returns the encoded size of a membership in bytes. It consists of a count, and the id, address,
 * metadata and role flags of each server. The servers are in the order of the map, so the same map
 * always has the same encoding.
 *
 * Above level 0, the highest bit of the count is set. The level (1 byte), revision (8), flags (1),
 * epoch (16, if there is one) and length of a lease (4, if leases are on) follow the count. The
 * last field of each server is its store (8, 0 for none).
 */
export function membershipLength({ level, epoch, leaseMs, servers }: Membership): number {
  let length = level > 0 ? 14 + epoch.length / 2 + (leaseMs > 0 ? 4 : 0) : 4;
  for (const [id, { address, metadata }] of servers) {
    length += textLength(id) + textLength(address) + textLength(metadata) + (level > 0 ? 9 : 1);
  }
  return length;
}

export function writeMembership(writer: Writer, membership: Membership): void {
  const { level, revision, founded, epoch, leaseMs, voters, outgoing, learners, learnersNext, servers } = membership;
  if (level > 0) {
    writer.u32(HAS_LEVEL + servers.size);
    writer.u8(level);
    writer.u53(revision);
    writer.u8((founded ? 0 : UNFOUNDED) | (epoch === '' ? 0 : HAS_EPOCH) | (leaseMs === 0 ? 0 : HAS_LEASE));
    writer.hex(epoch);
    if (leaseMs > 0) writer.u32(leaseMs);
  } else writer.u32(servers.size);
  for (const [id, { address, metadata, store }] of servers) {
    writer.text(id);
    writer.text(address);
    writer.text(metadata);
    writer.u8(
      (voters.includes(id) ? VOTER : 0) |
        (outgoing.includes(id) ? OUTGOING : 0) |
        (learners.includes(id) ? LEARNER : 0) |
        (learnersNext.includes(id) ? LEARNER_NEXT : 0),
    );
    if (level > 0) writer.u53(store ?? 0);
  }
}

/**
 * Reads a membership. Throws `KONTIKI_FORMAT` if its level is higher than this version supports.
 */
export function readMembership(reader: Reader): Membership {
  const first = reader.u32();
  const hasLevel = first >= HAS_LEVEL;
  const [level, revision] = hasLevel ? [reader.u8(), reader.u53()] : [0, 0];
  if (level > LEVEL) throw newerError(`A membership has feature level ${level}.`);
  if (hasLevel && level === 0) throw protocolError('A membership of level 0 has a level.');
  const flags = hasLevel ? reader.u8() : 0;
  if (flags > (UNFOUNDED | HAS_EPOCH | HAS_LEASE)) throw protocolError(`A membership has the unknown flags ${flags}.`);
  const epoch = (flags & HAS_EPOCH) === 0 ? '' : reader.hex(16);
  const leaseMs = (flags & HAS_LEASE) === 0 ? 0 : reader.u32();
  if ((flags & HAS_LEASE) !== 0 && leaseMs === 0) throw protocolError('A membership has a lease of 0 milliseconds.');
  const count = hasLevel ? first - HAS_LEVEL : first;
  if (count > MAX_SERVERS) throw protocolError(`A membership of ${count} servers exceeds the limit of ${MAX_SERVERS}.`);
  const servers = new Map<ServerId, Member>();
  const parts: [ServerId, number][] = [];
  for (let i = 0; i < count; i += 1) {
    const id = reader.text(64);
    if (!isId(id)) throw protocolError(`${JSON.stringify(id)} is not a server id.`);
    if (servers.has(id)) throw protocolError(`Server ${id} is listed twice.`);
    const info = { address: reader.text(MAX_ADDRESS), metadata: reader.text(MAX_METADATA) };
    const part = reader.u8();
    const store = hasLevel ? reader.u53() : 0;
    servers.set(id, store === 0 ? info : { ...info, store });
    if (part > 15) throw protocolError(`Server ${id} has the unknown part ${part}.`);
    parts.push([id, part]);
  }
  const those = (part: number): ServerId[] => parts.filter(([, p]) => (p & part) !== 0).map(([id]) => id);
  const membership = {
    level,
    revision,
    founded: (flags & UNFOUNDED) === 0,
    epoch,
    leaseMs,
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

/**
 * Returns the reason why a membership is too large to encode, as a sentence fragment; undefined if
 * it fits.
 */
export function membershipOversize({ servers }: Membership): string | undefined {
  if (servers.size > MAX_SERVERS) return `it has ${servers.size} servers, more than ${MAX_SERVERS}`;
  for (const [id, { address, metadata }] of servers) {
    if (textLength(address) - 2 > MAX_ADDRESS) return `the address of ${id} has more than ${MAX_ADDRESS} bytes`;
    if (textLength(metadata) - 2 > MAX_METADATA) return `the metadata of ${id} have more than ${MAX_METADATA} bytes`;
  }
  return undefined;
}
