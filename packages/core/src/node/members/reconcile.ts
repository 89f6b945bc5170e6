import type { MembershipStep } from '../../log/membership-change.js';
import type { Membership } from '../../log/membership.js';
import type { ServerId } from '../../log/server.js';
import { badOption } from '../options.js';
import { serverInfo } from './server-info.js';

/**
 * A desired member: either just an address, or an address with metadata and a role (learner or
 * voter). If the metadata is omitted, an existing member keeps its metadata.
 */
export type DesiredMember =
  | string
  | {
      readonly address: string;
      readonly metadata?: string | undefined;
      readonly learner?: boolean | undefined;
    };

/**
 * The steps that lead from the current membership to the desired one. New servers are added first.
 */
export interface Plan {
  readonly additions: readonly MembershipStep[];
  readonly changes: readonly MembershipStep[];
}

/**
 * Returns the steps that lead from the current membership to the desired members. Either list of
 * steps may be empty.
 */
export function stepsTo(current: Membership, desired: Readonly<Record<ServerId, DesiredMember>>): Plan {
  const additions: MembershipStep[] = [];
  const changes: MembershipStep[] = [];
  const ids = Object.keys(desired);
  for (const id of ids) {
    const wanted = desired[id] as DesiredMember;
    const { metadata, learner: learns = false } = typeof wanted === 'string' ? {} : wanted;
    const info = serverInfo('desired', id, wanted);
    const present = current.servers.get(id);
    if (present === undefined) additions.push({ kind: 'addLearner', id, ...info });
    else {
      if (present.address !== info.address) changes.push({ kind: 'setAddress', id, address: info.address });
      if (metadata !== undefined && present.metadata !== metadata) changes.push({ kind: 'setMetadata', id, metadata });
    }
    const votes = current.voters.includes(id);
    if (!learns && !votes) changes.push({ kind: 'promote', id });
    if (learns && votes) changes.push({ kind: 'demote', id });
  }
  for (const id of current.servers.keys()) if (!ids.includes(id)) changes.push({ kind: 'remove', id });
  if (ids.every((id) => typeof desired[id] === 'object' && desired[id].learner === true))
    throw badOption('desired must have at least one voter.');
  return { additions, changes };
}
