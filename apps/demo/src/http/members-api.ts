import type { IncomingMessage, ServerResponse } from 'node:http';
import { isVoter, NotLeaderError, type Leader, type Membership, type RaftNode } from '@kontiki/core';
import { readBody } from './body.js';
import { HttpError, sendJson } from './responses.js';

const MAX_BODY = 4_096;
/** Milliseconds that a change may take. A new voter must receive the whole log. */
const TIMEOUT = 60_000;

/** A change of the members, as in the body of `POST /members`. */
export interface MemberChange {
  readonly change: (typeof CHANGES)[number];
  /** The server. May be missing in a `transfer`, and has no meaning in a `raise`. */
  readonly id?: string;
  /** The new server of a `replace`. */
  readonly with?: string;
  readonly address?: string;
  readonly metadata?: string;
}

export const CHANGES = [
  'add',
  'add-learner',
  'promote',
  'demote',
  'remove',
  'replace',
  'transfer',
  'address',
  'metadata',
  'raise',
] as const;

/** Lists the members of the cluster over HTTP, and changes them. */
export class MembersApi {
  readonly #node: RaftNode;

  constructor(node: RaftNode) {
    this.#node = node;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') return sendJson(response, 200, this.#list());
    if (request.method !== 'POST') throw new HttpError(405, 'METHOD', '/members supports GET and POST.');
    const change = changeOf(await readBody(request, MAX_BODY));
    if (!this.#node.isLeader)
      throw new NotLeaderError('This node is not the leader, and the leader is unknown. Try again.', this.#node.leader);
    await this.#make(change);
    sendJson(response, 200, this.#list());
  }

  #list(): unknown {
    const { membership, leader, peers, last } = this.#node.status();
    const matches = new Map(peers.map(({ id, match }) => [id, match]));
    const members = [...(membership?.servers ?? [])].map(([id, info]) => ({
      id,
      ...info,
      part: isVoter(membership as Membership, id) ? 'voter' : 'learner',
      // Only the leader knows how much of the log the others have.
      match: id === this.#node.id ? last : (matches.get(id) ?? null),
    }));
    const { revision = null, level = null } = membership ?? {};
    return { revision, level, leader: leader?.id ?? null, members };
  }

  #make({
    change,
    id = '',
    with: other = '',
    address = '',
    metadata = '',
  }: MemberChange): Promise<Membership | Leader> {
    const { members } = this.#node;
    const options = { timeout: TIMEOUT };
    switch (change) {
      case 'add':
        return members.addVoter(id, { address, metadata }, options);
      case 'add-learner':
        return members.addLearner(id, { address, metadata }, options);
      case 'replace':
        return members.replace(id, other, { address, metadata }, options);
      case 'promote':
        return members.promote(id, options);
      case 'demote':
        return members.demote(id, options);
      case 'remove':
        return members.remove(id, options);
      case 'address':
        return members.setAddress(id, address, options);
      case 'metadata':
        return members.setMetadata(id, metadata, options);
      case 'raise':
        return members.raiseLevel(options);
      case 'transfer':
        return members.transferLeadership(id === '' ? undefined : id, options);
    }
  }
}

/** Parses the body of a request. Throws an `HttpError` that names an invalid field. */
export function changeOf(body: Uint8Array): MemberChange {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(body).toString());
  } catch {
    throw invalid('The body must be JSON.');
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw invalid('The body must be an object.');
  for (const [name, value] of Object.entries(fields)) {
    if (!['change', 'id', 'with', 'address', 'metadata'].includes(name))
      throw invalid(`There is no field ${JSON.stringify(name)}.`);
    if (typeof value !== 'string') throw invalid(`${name} must be a string.`);
  }
  const given = fields as Partial<MemberChange>;
  if (!CHANGES.includes(given.change as MemberChange['change']))
    throw invalid(`change must be one of ${CHANGES.join(', ')}.`);
  const { metadata = '' } = given;
  // Nodes redirect clients to it.
  if (metadata !== '' && !/^https?:\/\/[^/?#@\s]+$/.test(metadata))
    throw invalid('metadata must be the URL of the server for clients, as in http://HOST:PORT.');
  return given as MemberChange;
}

function invalid(message: string): HttpError {
  return new HttpError(400, 'CHANGE', message);
}
