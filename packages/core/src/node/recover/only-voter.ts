import { LEVEL, membershipFault, membershipOf, type Membership } from '../../log/membership.js';
import type { Member, ServerId } from '../../log/server.js';
import { membershipOversize } from '../../wire/membership.js';
import { addressFault } from '../members/server-info.js';
import { badOption } from '../options.js';

/**
 * Returns the first membership of a recovered or restored cluster with only one server. This
 * membership follows `previous`. Throws `KONTIKI_BAD_OPTION` if the address or the metadata is
 * invalid.
 */
export function onlyVoter(id: ServerId, info: Member, previous: Membership): Membership {
  const servers = [[id, info]] as const;
  const membership = {
    ...membershipOf(servers, [], Math.max(LEVEL, previous.level)),
    revision: previous.revision + 1,
    leaseMs: previous.leaseMs,
  };
  const fault = membershipFault(membership) ?? membershipOversize(membership) ?? addressFault(servers);
  if (fault !== undefined) throw badOption(`${id} cannot form a cluster: ${fault}.`);
  return membership;
}
