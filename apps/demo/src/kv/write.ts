import { protocolError, type Reader } from '@kontiki/core/wire';

/** Maximum length of a key in UTF-8 bytes, and of a value in bytes. */
export const MAX_KEY = 512;
export const MAX_VALUE = 1024 * 1024;
/** Maximum time to live of a key: one year, in milliseconds. */
export const MAX_TTL = 365 * 24 * 60 * 60 * 1_000;

/** A change of one key: set it to a value, or delete it. */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      /** Milliseconds of log time until the key expires. Undefined if the key is permanent. */
      readonly ttl?: number | undefined;
    }
  | { readonly kind: 'delete'; readonly key: string };

export function isTtl(ttl: unknown): ttl is number {
  return Number.isSafeInteger(ttl) && (ttl as number) >= 1 && (ttl as number) <= MAX_TTL;
}

/** Reads a time to live (8 bytes). */
export function readTtl(reader: Reader): number {
  const ttl = reader.u53();
  if (ttl < 1 || ttl > MAX_TTL) throw protocolError(`A command has a time to live of ${ttl} ms, not 1 to ${MAX_TTL}.`);
  return ttl;
}
