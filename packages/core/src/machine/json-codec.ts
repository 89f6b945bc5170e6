import { decodeUtf8, encodeUtf8, encodeUtf8Shared } from '../wire/utf8.js';
import { isPlainArray, isPlainObject, notPlain } from './plain.js';

/**
 * Encodes the inputs of commands. For the same input, both methods must return or throw the same on
 * every server.
 */
export interface Codec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/**
 * The default codec, which encodes inputs as JSON. Throws for values that `JSON.stringify` would
 * change, such as undefined, NaN, dates, maps and class instances. Otherwise the command would
 * receive a different input from the one that its caller passed.
 */
export const jsonCodec: Codec = {
  encode: (value) => encodeUtf8(stringify(value, [])),
  decode: (bytes) => JSON.parse(decodeUtf8(bytes)) as unknown,
};

/** Encodes like `jsonCodec`, in memory that other inputs share. */
export function encodeJsonShared(value: unknown): Uint8Array {
  return encodeUtf8Shared(stringify(value, []));
}

const MAX_LEVELS = 1_000;

/** Returns the JSON text of a value. `keys` is the path of keys to this value. */
function stringify(value: unknown, keys: (string | number)[]): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  // JSON.stringify would write -0 as 0, so do not use it for numbers. JSON.parse reads -0
  // correctly.
  if (typeof value === 'number' && Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value !== 'object') throw notPlain(value, keys);
  if (keys.length > MAX_LEVELS)
    throw new TypeError(`The value contains itself, or has more than ${MAX_LEVELS} levels.`);
  let members = '';
  const add = (key: string | number, prefix: string, member: unknown): void => {
    keys.push(key);
    members += (members === '' ? '' : ',') + prefix + stringify(member, keys);
    keys.pop();
  };
  if (Array.isArray(value)) {
    if (!isPlainArray(value)) throw notPlain(value, keys);
    for (const [i, member] of value.entries()) add(i, '', member);
    return `[${members}]`;
  }
  if (!isPlainObject(value)) throw notPlain(value, keys);
  for (const key of Object.keys(value)) add(key, `${JSON.stringify(key)}:`, value[key]);
  return `{${members}}`;
}
