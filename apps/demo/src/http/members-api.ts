import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  isKontikiError,
  isVoter,
  KontikiError,
  type DesiredMember,
  type Membership,
  type RaftNode,
} from '@kontiki/core';
import { readBody } from './body.js';
import { HttpError, sendJson } from './responses.js';

const MAX_BODY = 4_096;
/**
 * Maximum duration of a membership change in milliseconds. It is long because a new voter must
 * first receive the whole log.
 */
const TIMEOUT = 60_000;

/** Milliseconds after which a node without a leader refuses a change. */
const LEADER_TIMEOUT = 2_500;

/** A membership change, as in the body of `POST /members`. */
export interface MemberChange {
  readonly change: (typeof CHANGES)[number];
  /** Id of the server to change. Optional for `transfer`, and ignored by `raise`. */
  readonly id?: string;
  /** Id of the new server, for `replace`. */
  readonly with?: string;
  readonly address?: string;
  readonly metadata?: string;
  /** All members of the desired membership, for `reconcile`. */
  readonly desired?: Readonly<Record<string, DesiredMember>>;
  /** Whether `reconcile` only returns the steps, without taking them. */
  readonly dryRun?: boolean;
  /** Whether to make the change even if no majority of the new voters answers now. */
  readonly force?: boolean;
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
  'reconcile',
] as const;

/** Changes that consist of several steps. If a step fails, the earlier steps are not undone. */
const SEVERAL: ReadonlySet<MemberChange['change']> = new Set(['add', 'replace', 'reconcile']);

/** Lists the members of the cluster over HTTP, and changes them. */
export class MembersApi {
  readonly #node: RaftNode;
  readonly #forward: boolean;

  /**
   * `forward` determines whether a follower delegates changes to the leader or redirects clients.
   */
  constructor(node: RaftNode, forward: boolean) {
    this.#node = node;
    this.#forward = forward;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') return sendJson(response, 200, this.#list());
    if (request.method !== 'POST') throw new HttpError(405, 'METHOD', '/members supports GET and POST.');
    const change = changeOf(await readBody(request, MAX_BODY));
    // A client that waits for a leader here could ask another node instead.
    if (this.#forward) await this.#node.waitForLeader({ timeout: LEADER_TIMEOUT });
    const result = await this.#make(change).catch((error: unknown) => {
      throw SEVERAL.has(change.change) && isKontikiError(error, 'KONTIKI_TIMEOUT') ? unfinished(error) : error;
    });
    sendJson(response, 200, { ...this.#list(), ...(change.change === 'reconcile' ? { steps: result } : {}) });
  }

  #list(): object {
    const { membership, leader, peers, last } = this.#node.status();
    const matches = new Map(peers.map(({ id, match }) => [id, match]));
    const members = [...(membership?.servers ?? [])].map(([id, info]) => ({
      id,
      ...info,
      part: isVoter(membership as Membership, id) ? 'voter' : 'learner',
      // Only the leader knows how much of the log each other member has.
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
    metadata,
    desired = {},
    dryRun = false,
    force = false,
  }: MemberChange): Promise<unknown> {
    const { members } = this.#node;
    const limits = { timeout: TIMEOUT, forward: this.#forward };
    const options = { ...limits, force };
    const info = metadata === undefined ? address : { address, metadata };
    switch (change) {
      case 'add':
        return members.addVoter(id, info, options);
      case 'add-learner':
        return members.addLearner(id, info, options);
      case 'replace':
        return members.replace(id, other, info, options);
      case 'promote':
        return members.promote(id, options);
      case 'demote':
        return members.demote(id, options);
      case 'remove':
        return members.remove(id, options);
      case 'address':
        return members.setAddress(id, address, options);
      case 'metadata':
        return members.setMetadata(id, metadata ?? '', options);
      case 'raise':
        return members.raiseLevel(limits);
      case 'transfer':
        return members.transferLeadership(id === '' ? undefined : id, limits);
      case 'reconcile':
        return members.reconcile(desired, { ...options, dryRun });
    }
  }
}

/** The types of the fields of a `MemberChange`. */
const FIELDS: Readonly<Record<keyof MemberChange, 'string' | 'object' | 'boolean'>> = {
  change: 'string',
  id: 'string',
  with: 'string',
  address: 'string',
  metadata: 'string',
  desired: 'object',
  dryRun: 'boolean',
  force: 'boolean',
};

/** Parses a request body. Throws an `HttpError` that names an invalid field. */
export function changeOf(body: Uint8Array): MemberChange {
  const fields = parseJson(body);
  if (!isObject(fields)) throw invalid('The body must be an object.');
  for (const [name, value] of Object.entries(fields)) {
    const type = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof MemberChange] : undefined;
    if (type === undefined) throw invalid(`There is no field ${JSON.stringify(name)}.`);
    if (type === 'object' ? !isObject(value) : typeof value !== type)
      throw invalid(`${name} must be ${type === 'object' ? 'an' : 'a'} ${type}.`);
  }
  const given = fields as Partial<MemberChange>;
  if (!CHANGES.includes(given.change as MemberChange['change']))
    throw invalid(`change must be one of ${CHANGES.join(', ')}.`);
  if ((given.change === 'reconcile') !== (given.desired !== undefined))
    throw invalid('A reconcile must have desired, and no other change may have it.');
  checkMetadata('metadata', given.metadata);
  for (const [id, member] of Object.entries(given.desired ?? {})) checkMember(`desired.${id}`, member);
  return given as MemberChange;
}

/**
 * Checks that a member has no unknown fields, because the node would ignore them. The node checks
 * ids and addresses.
 */
function checkMember(name: string, member: unknown): void {
  if (typeof member === 'string') return;
  if (!isObject(member)) throw invalid(`${name} must be an address, or an object with address, metadata and learner.`);
  const { address, metadata, learner = false, ...others } = member;
  const [other] = Object.keys(others);
  if (other !== undefined) throw invalid(`There is no field ${JSON.stringify(other)} in ${name}.`);
  if (typeof address !== 'string') throw invalid(`${name}.address must be a string.`);
  if (typeof learner !== 'boolean') throw invalid(`${name}.learner must be a boolean.`);
  checkMetadata(`${name}.metadata`, metadata);
}

/**
 * Checks that a member's metadata is a URL. Nodes redirect clients to the URL in the leader's
 * metadata.
 */
function checkMetadata(name: string, metadata: unknown = ''): void {
  if (typeof metadata !== 'string' || (metadata !== '' && !/^https?:\/\/[^/?#@\s]+$/.test(metadata)))
    throw invalid(`${name} must be the URL of the server for clients, as in http://HOST:PORT.`);
}

function unfinished(cause: Error): KontikiError {
  const text = `The change did not finish, and its earlier steps stay. Check that the new servers run. ${cause.message}`;
  return new KontikiError('KONTIKI_UNKNOWN_OUTCOME', text, { cause });
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    throw invalid('The body must be JSON.');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): HttpError {
  return new HttpError(400, 'CHANGE', message);
}
