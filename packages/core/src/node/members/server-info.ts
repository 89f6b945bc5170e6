import { checkId } from '../../id.js';
import type { ServerId, ServerInfo } from '../../log/server.js';
import { badOption } from '../options.js';

/**
 * Returns the address and metadata of a server. The caller passes either an address alone, or an
 * object with both. Throws `KONTIKI_BAD_OPTION` if it passes anything else.
 */
export function serverInfo(
  option: string,
  id: ServerId,
  given: string | { readonly address: string; readonly metadata?: string | undefined },
): ServerInfo {
  checkId(`an id in ${option}`, id);
  const { address, metadata = '' }: { address?: string; metadata?: string | undefined } =
    typeof given === 'string' ? { address: given } : (given ?? {});
  if (typeof address !== 'string' || typeof metadata !== 'string')
    throw badOption(`${option}.${id} must be an address, or an object with address and metadata.`);
  return { address, metadata };
}

/**
 * Returns the reason why no transport would accept the addresses, as a sentence fragment: one is
 * blank, or two are the same. Returns undefined otherwise.
 */
export function addressFault(servers: Iterable<readonly [ServerId, ServerInfo]>): string | undefined {
  const owners = new Map<string, ServerId>();
  for (const [id, { address }] of servers) {
    if (address.trim() === '') return `${id} has a blank address`;
    const owner = owners.get(address);
    if (owner !== undefined) return `${owner} and ${id} have the same address ${JSON.stringify(address)}`;
    owners.set(address, id);
  }
  return undefined;
}
