import { KontikiError, type LogBase, type Owner } from '@kontiki/core';
import { baseLength, checkOwner, corruptData, readBase, writeBase } from '@kontiki/core/store';
import { textLength } from '@kontiki/core/wire';
import { BASE, MOVED, OWNER } from './keys.js';
import { seal, unseal } from './seal.js';

/**
 * The value of `OWNER`: "KONTIKI" and the format version (8 bytes), then the cluster and the
 * server.
 */
const MAGIC = new TextEncoder().encode('KONTIKI');
const VERSION = 1;

export function encodeOwner({ cluster, server }: Owner): Uint8Array {
  return seal(OWNER, MAGIC.length + 1 + textLength(cluster) + textLength(server), (writer) => {
    writer.raw(MAGIC);
    writer.u8(VERSION);
    writer.text(cluster);
    writer.text(server);
  });
}

/** Throws unless the value of `OWNER` has the format of this version and names this owner. */
export function checkOwnerValue(value: Uint8Array, owner: Owner, where: string): void {
  unseal(OWNER, value, [where, 'the owner'], (reader) => {
    const magic = reader.raw(MAGIC.length);
    if (!MAGIC.every((byte, i) => byte === magic[i])) throw corruptData(where, 'the data was not written by Kontiki');
    const version = reader.u8();
    if (version !== VERSION) throw unknownFormat(where, version);
    checkOwner(`The data in ${where}`, { cluster: reader.text(64), server: reader.text(64) }, owner);
  });
}

/** Encodes the value of `BASE`, the position at which the log starts. */
export function encodeBase(base: LogBase): Uint8Array {
  return seal(BASE, baseLength(base), (writer) => writeBase(writer, base));
}

export function decodeBase(value: Uint8Array | undefined, where: string): LogBase {
  return unseal(BASE, value, [where, 'the base of the log'], readBase);
}

/** Encodes the value of `MOVED`, the new location of a retired log's server. */
export function encodeMoved(place: string): Uint8Array {
  return seal(MOVED, textLength(place), (writer) => writer.text(place));
}

export function decodeMoved(value: Uint8Array, where: string): string {
  return unseal(MOVED, value, [where, 'the place where the server has moved'], (reader) => reader.text(reader.left));
}

function unknownFormat(where: string, version: number): KontikiError {
  return new KontikiError(
    'KONTIKI_FORMAT',
    `The data in ${where} has format ${version}, but this version reads format ${VERSION}. Nothing was changed. Use the version that wrote the data.`,
  );
}
