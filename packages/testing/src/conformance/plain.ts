import { crc32 } from '@kontiki/core/wire';

/**
 * Converts a value to plain objects, arrays and strings, which any test runner can compare and
 * print. Converts bytes to hexadecimal digits and maps to lists, and leaves out undefined fields.
 */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof Map) return [...(value as Map<unknown, unknown>)].map(plain).sort(byText);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, plain(field)]));
}

/** Returns the same text for deeply equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(plain(value)) ?? 'undefined';
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/**
 * Returns bytes as hexadecimal digits or, if there are more than 64, their length and a checksum.
 */
function hex(bytes: Uint8Array): string {
  if (bytes.length > 64) return `${bytes.length} bytes, crc32 ${crc32(bytes)}`;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
