import type { Position } from '../log/entry.js';
import { protocolError, type Reader } from './reader.js';

/**
 * Reads a position. Throws if its term is above `term`, or if either its index or its term is 0 but
 * not both.
 */
export function position(reader: Reader, term: number): Position {
  const at = { index: reader.u53(), term: upTo(term, reader.u53()) };
  if ((at.index === 0) === (at.term === 0)) return at;
  throw protocolError(`A message names the impossible position of index ${at.index} and term ${at.term}.`);
}

/**
 * Returns `held`, the term of an entry. Throws if it is above `term`, the term of the message,
 * because no server has an entry from a term after its current one.
 */
export function upTo(term: number, held: number): number {
  if (held > term) throw protocolError(`A message of term ${term} names an entry of term ${held}.`);
  return held;
}
