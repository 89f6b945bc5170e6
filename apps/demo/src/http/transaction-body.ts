import { MAX_OPERATIONS, type Comparison, type Transaction } from '../kv/transaction.js';
import { isTtl, MAX_KEY, MAX_TTL, MAX_VALUE, type Write } from '../kv/write.js';
import { HttpError } from './responses.js';

/** Maximum length of a transaction as JSON, in bytes. */
export const MAX_TRANSACTION_BODY = 2 * 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses a transaction: `{"compare": [{"key", "revision"}], "success": [{"put", "value", "ttl"} or
 * {"delete"}]}`. Throws an `HttpError` that names the invalid part.
 */
export function parseTransaction(body: Uint8Array): Transaction {
  let json: unknown;
  try {
    // Replacing invalid characters could make different keys equal.
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw invalid('The transaction', 'must be JSON in UTF-8');
  }
  const fields = fieldsOf('The transaction', json, ['compare', 'success']);
  const compare = listOf('compare', fields['compare'] ?? []).map(comparisonOf);
  const writes = listOf('success', fields['success']).map(writeOf);
  if (writes.length === 0) throw invalid('success', 'must have at least one operation');
  refuseRepeated('compare', compare);
  refuseRepeated('success', writes);
  const bytes = [...compare, ...writes].reduce((sum, part) => sum + bytesIn(part), 0);
  if (bytes > MAX_VALUE)
    throw new HttpError(413, 'TOO_LARGE', `The keys and values must have at most ${MAX_VALUE} bytes, not ${bytes}.`);
  return { kind: 'transaction', compare, writes };
}

function comparisonOf(json: unknown, position: number): Comparison {
  const place = `compare[${position}]`;
  const { key, revision } = fieldsOf(place, json, ['key', 'revision']);
  if (revision !== null && !(Number.isSafeInteger(revision) && (revision as number) > 0))
    throw invalid(`${place}.revision`, 'must be a revision, or null if the key must not exist');
  return { key: keyIn(`${place}.key`, key), revision: revision as number | null };
}

function writeOf(json: unknown, position: number): Write {
  const place = `success[${position}]`;
  const fields = fieldsOf(place, json, ['put', 'value', 'ttl', 'delete']);
  if ('delete' in fields) {
    fieldsOf(place, json, ['delete']);
    return { kind: 'delete', key: keyIn(`${place}.delete`, fields['delete']) };
  }
  const { put, value, ttl } = fields;
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
  const key = keyIn(`${place}.put`, put);
  if (bytes === undefined || bytes.toString('base64') !== value)
    throw invalid(`${place}.value`, 'must be a value in base64');
  if (ttl !== undefined && !isTtl(ttl)) throw invalidTtl(`${place}.ttl`);
  return { kind: 'put', key, value: bytes, ttl };
}

export function invalidTtl(place: string): HttpError {
  return new HttpError(400, 'TTL', `${place} must be a whole number of milliseconds from 1 to ${MAX_TTL}.`);
}

/** Returns `json` as an object. Throws an `HttpError` if it has a field that is not in `names`. */
function fieldsOf(place: string, json: unknown, names: readonly string[]): Fields {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid(place, 'must be an object');
  const unknown = Object.keys(json).find((name) => !names.includes(name));
  if (unknown === undefined) return json as Fields;
  throw invalid(place, `must have no field ${JSON.stringify(unknown)}, only ${names.join(', ')}`);
}

function listOf(place: string, json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw invalid(place, 'must be a list');
  if (json.length > MAX_OPERATIONS) throw invalid(place, `must have at most ${MAX_OPERATIONS} items`);
  return json;
}

function keyIn(place: string, key: unknown): string {
  // Refuse a string that is not well-formed Unicode, because encoding it as UTF-8 would change it.
  const bytes = typeof key === 'string' ? Buffer.from(key) : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.length > MAX_KEY || bytes.toString() !== key)
    throw new HttpError(400, 'KEY', `${place} must be a key of 1 to ${MAX_KEY} bytes.`);
  return key;
}

function refuseRepeated(place: string, parts: readonly { readonly key: string }[]): void {
  const keys = new Set<string>();
  for (const { key } of parts) {
    if (keys.has(key)) throw invalid(place, `must name each key at most once, but names ${JSON.stringify(key)} twice`);
    keys.add(key);
  }
}

function bytesIn(part: Comparison | Write): number {
  return Buffer.byteLength(part.key) + ('value' in part ? part.value.length : 0);
}

function invalid(place: string, fault: string): HttpError {
  return new HttpError(400, 'TRANSACTION', `${place} ${fault}. Nothing was written.`);
}
