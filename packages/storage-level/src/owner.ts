import { KontikiError, type Owner } from '@kontiki/core';
import { textLength } from '@kontiki/core/wire';
import { corrupt } from './failure.js';
import { seal, unseal } from './sealed.js';

/** "KONTIKI" and the version of the format (8 bytes), then cluster and server. */
const MAGIC = new TextEncoder().encode('KONTIKI');
const VERSION = 1;

export function encodeOwner(key: Uint8Array, { cluster, server }: Owner): Uint8Array {
  return seal(key, MAGIC.length + 1 + textLength(cluster) + textLength(server), (writer) => {
    writer.raw(MAGIC);
    writer.u8(VERSION);
    writer.text(cluster);
    writer.text(server);
  });
}

/** Refuses data of another format or another owner. */
export function checkOwner(key: Uint8Array, value: Uint8Array, owner: Owner, where: string): void {
  unseal(key, value, [where, 'what says whose data it is'], (reader) => {
    const magic = reader.raw(MAGIC.length);
    if (!MAGIC.every((byte, i) => byte === magic[i])) throw corrupt(where, 'it is no data of Kontiki');
    const version = reader.u8();
    if (version !== VERSION) throw otherFormat(where, version);
    const [cluster, server] = [reader.text(64), reader.text(64)];
    if (cluster === owner.cluster && server === owner.server) return;
    throw new KontikiError(
      'KONTIKI_FOREIGN_DATA',
      `${where} is of server ${server} in cluster ${cluster}, not of ${owner.server} in ${owner.cluster}. Use the database of this server, or another name in it.`,
    );
  });
}

function otherFormat(where: string, version: number): KontikiError {
  return new KontikiError(
    'KONTIKI_FORMAT',
    `${where} is of format ${version}; this version reads format ${VERSION}. Use the version that wrote it.`,
  );
}
