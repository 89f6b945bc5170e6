import { createHash } from 'node:crypto';
import { KontikiError } from '@kontiki/core';

const MIN_BYTES = 32;
/** Maximum length of a key. OpenSSL 3 accepts longer keys, but they would not be safer. */
const MAX_BYTES = 256;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** A shared secret, with the name by which both sides of a connection refer to it. */
export interface Secret {
  readonly key: Buffer;
  /**
   * The key's name, derived from a hash of the key. So several keys can be valid at the same time
   * without having to be named. A hash of 32 random bytes cannot be reversed.
   */
  readonly identity: string;
}

/**
 * Returns the secrets in an option. A string is a key in base64. Throws `KONTIKI_BAD_OPTION` if a
 * key has the wrong length, is obviously not random, or is listed twice. The error never contains a
 * key.
 */
export function parseSecrets(secrets: unknown): Secret[] {
  if (!Array.isArray(secrets) || secrets.length === 0)
    throw badSecret('secrets must be an array with at least one key');
  const parsed = Array.from(secrets, (secret: unknown, i) => {
    const key = keyOf(secret);
    const fault = faultOf(key);
    if (key !== undefined && fault === undefined) {
      return { key, identity: createHash('sha256').update('kontiki secret ').update(key).digest('hex').slice(0, 32) };
    }
    throw badSecret(
      `secrets[${i}] must be ${MIN_BYTES} to ${MAX_BYTES} random bytes, or their base64, but is ${fault}`,
    );
  });
  const identities = parsed.map(({ identity }) => identity);
  const repeated = identities.findIndex((identity, i) => identities.indexOf(identity) < i);
  if (repeated === -1) return parsed;
  throw badSecret(`secrets[${repeated}] is the same key as secrets[${identities.indexOf(identities[repeated] ?? '')}]`);
}

/** Returns a description of what is wrong with a key, or undefined if the key may be random. */
function faultOf(key: Buffer | undefined): string | undefined {
  if (key === undefined) return 'something else';
  if (key.length < MIN_BYTES || key.length > MAX_BYTES) return `${key.length} bytes`;
  // An example is a key in a buffer that was never filled.
  return key.every((byte) => byte === key[0]) ? 'one byte that repeats' : undefined;
}

function keyOf(secret: unknown): Buffer | undefined {
  if (secret instanceof Uint8Array) return Buffer.from(secret);
  // A secret from a file often ends with a line break.
  const text = typeof secret === 'string' ? secret.trim() : '';
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
}

function badSecret(fault: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_OPTION', `${fault}. Create a key: openssl rand -base64 32`);
}
