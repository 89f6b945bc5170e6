import { describe } from '../node/describe.js';

/**
 * Returns whether an object is plain: it has no class, and no properties that `Object.keys` omits.
 * Such properties would be lost. Plain objects from other realms are also accepted.
 */
export function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) return false;
  return Reflect.ownKeys(value).length === Object.keys(value).length;
}

/**
 * Returns whether an array is plain: it has no holes, no extra properties, and no class other than
 * `Array`.
 */
export function isPlainArray(value: readonly unknown[]): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== Array.prototype && !isPrototypeOfArrays(prototype)) return false;
  // The keys of an array are the indices that are not holes, `length`, and the names of extra
  // properties.
  const keys = Reflect.ownKeys(value);
  return keys.length === value.length + 1 && keys[value.length] === 'length';
}

/** Returns whether an object is the `Array.prototype` of any realm. */
function isPrototypeOfArrays(prototype: object | null): boolean {
  const root = prototype && (Object.getPrototypeOf(prototype) as object | null);
  return root !== null && Object.getPrototypeOf(root) === null;
}

/**
 * Returns the error for a value that cannot be encoded. The error message contains the path of keys
 * to this value.
 */
export function notPlain(value: unknown, keys: readonly unknown[]): TypeError {
  const place = keys.length === 0 ? 'The value' : `The value at ${keys.map(String).join('.')}`;
  return new TypeError(`${place} is ${nameOf(value)}, which cannot be encoded.`);
}

function nameOf(value: unknown): string {
  if (typeof value === 'bigint') return 'a bigint';
  if (typeof value !== 'object' || value === null) return describe(value);
  if (Array.isArray(value)) return 'an array with holes, further properties or a class of its own';
  const { name } = (value as { constructor?: { name?: unknown } }).constructor ?? {};
  return name === 'Object' ? 'an object with hidden properties or a class' : `an instance of ${String(name)}`;
}
