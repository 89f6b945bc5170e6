import { LEVEL, membershipFault, membershipOf, type Membership } from '../../log/membership.js';
import type { Member, ServerId } from '../../log/server.js';
import { membershipOversize } from '../../wire/membership.js';
import { addressFault } from '../members/server-info.js';
import { badOption } from '../options.js';

/**
 * Returns the membership of a cluster that begins again with one server, and follows `previous`.
 * Throws `KONTIKI_BAD_OPTION` if the address or the metadata are invalid.
 */
export function onlyVoter(id: ServerId, info: Member, previous: Membership): Membership {
  const servers = [[id, info]] as const;
  const membership = {
    ...membershipOf(servers, [], Math.max(LEVEL, previous.level)),
    revision: previous.revision + 1,
  };
  const fault = membershipFault(membership) ?? membershipOversize(membership) ?? addressFault(servers);
  if (fault !== undefined) throw badOption(`${id} cannot form a cluster: ${fault}.`);
  return membership;
}
