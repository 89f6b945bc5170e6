import { protocolError, textLength, type Reader, type Writer } from '@kontiki/core/wire';
import { MAX_KEY, readTtl, type Write } from './write.js';

/** Maximum number of comparisons in a transaction, and maximum number of writes. */
export const MAX_OPERATIONS = 128;

/** The revision that a key must have. Null if the key must not exist. */
export interface Comparison {
  readonly key: string;
  readonly revision: number | null;
}

/**
 * A replicated command that makes all of its writes if all comparisons hold, and otherwise none.
 */
export interface Transaction {
  readonly kind: 'transaction';
  readonly compare: readonly Comparison[];
  /** The writes. Each one changes a different key. */
  readonly writes: readonly Write[];
}

const PUT = 0;
const DELETE = 1;
const PUT_WITH_TTL = 2;

/** Returns the number of bytes that `writeTransaction` writes. */
export function transactionLength({ compare, writes }: Transaction): number {
  let length = 2;
  for (const { key } of compare) length += 8 + textLength(key);
  for (const write of writes) {
    length += 1 + textLength(write.key);
    if (write.kind === 'put') length += (write.ttl === undefined ? 0 : 8) + 4 + write.value.length;
  }
  return length;
}

/**
 * Writes a transaction. The comparisons come first: their number (1 byte), and for each one the
 * revision (8, 0 for null) and the length and text of the key. The writes follow: their number
 * (1), and for each one its kind (1) and the length and text of its key. A put also has the time
 * to live (8, only if it has one), and the length (4) and bytes of the value.
 */
export function writeTransaction(writer: Writer, { compare, writes }: Transaction): void {
  writer.u8(compare.length);
  for (const { key, revision } of compare) {
    writer.u53(revision ?? 0);
    writer.text(key);
  }
  writer.u8(writes.length);
  for (const write of writes) {
    const { value, ttl } = write.kind === 'put' ? write : {};
    writer.u8(value === undefined ? DELETE : ttl === undefined ? PUT : PUT_WITH_TTL);
    writer.text(write.key);
    if (ttl !== undefined) writer.u53(ttl);
    if (value === undefined) continue;
    writer.u32(value.length);
    writer.raw(value);
  }
}

/**
 * Reads a transaction, which must end at the end of the input. The values are views of the input.
 */
export function readTransaction(reader: Reader): Transaction {
  const compare: Comparison[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) {
    const revision = reader.u53();
    compare.push({ key: reader.text(MAX_KEY), revision: revision === 0 ? null : revision });
  }
  const writes: Write[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) writes.push(readWrite(reader));
  reader.end();
  return { kind: 'transaction', compare, writes };
}

function readWrite(reader: Reader): Write {
  const kind = reader.u8();
  const key = reader.text(MAX_KEY);
  if (kind === DELETE) return { kind: 'delete', key };
  if (kind > PUT_WITH_TTL) throw protocolError(`A transaction has a write of the unknown kind ${kind}.`);
  const ttl = kind === PUT_WITH_TTL ? readTtl(reader) : undefined;
  return { kind: 'put', key, ttl, value: reader.raw(reader.u32()) };
}
