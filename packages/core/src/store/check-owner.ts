import { KontikiError } from '../errors.js';
import type { Owner } from '../ports/log-store.js';

/** The owner that is recorded in stored data. Snapshots only record the cluster. */
interface StoredOwner {
  readonly cluster: string;
  readonly server?: string | undefined;
}

/**
 * Throws `KONTIKI_FOREIGN_DATA` unless the stored data belongs to `owner`. `where` names the data
 * at the start of the error message.
 */
export function checkOwner(where: string, stored: StoredOwner, owner: Owner): void {
  if (stored.cluster === owner.cluster && (stored.server ?? owner.server) === owner.server) return;
  const holder = stored.server === undefined ? '' : `server ${stored.server} of `;
  throw new KontikiError(
    'KONTIKI_FOREIGN_DATA',
    `${where} belongs to ${holder}cluster ${stored.cluster}, not to server ${owner.server} of cluster ${owner.cluster}. Nothing was changed. Use the data of this server instead.`,
  );
}
