import type { Logger } from '../../ports/logger.js';
import type { Transport } from '../../ports/transport.js';
import type { Raft } from '../../protocol/raft.js';

/**
 * Lets the transport check the members' addresses. Throws for an invalid address at the first start
 * of a cluster. At a later start, only logs the address, because the cluster may work without that
 * member.
 */
export function checkAddresses({ log }: Raft, transport: Transport, isInUse: boolean, logger: Logger): void {
  const servers = log.liveMemberships.flatMap(({ membership }) => [...membership.servers]);
  try {
    transport.checkAddresses?.(new Map(servers.map(([id, { address }]) => [id, address])));
  } catch (error) {
    if (!isInUse) throw error;
    logger.error('an address in the membership cannot be reached', { error });
  }
}
