import { KontikiError } from '../errors.js';
import { invariant } from '../invariant.js';
import { encodeUtf8 } from './utf8.js';

/**
 * Returns the number of bytes that a string takes up: two bytes for its length, and its UTF-8
 * encoding.
 */
export function textLength(text: string): number {
  return 2 + encodeUtf8(text).length;
}

/**
 * Returns the value of a hexadecimal digit. Every message contains such digits, so avoid the slower
 * `parseInt`.
 */
function digitAt(digits: string, at: number): number {
  const code = digits.charCodeAt(at);
  return code - (code < 0x3a ? 0x30 : 0x57);
}

/**
 * Writes values into a buffer of a known length. Allocates the buffer once, or uses `memory` if it
 * is large enough. Numbers are little-endian.
 */
export class Writer {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(length: number, memory?: Uint8Array) {
    this.bytes = memory !== undefined && memory.length >= length ? memory.subarray(0, length) : new Uint8Array(length);
  }

  get at(): number {
    return this.#at;
  }

  u8(value: number): void {
    this.bytes[this.#take(1)] = value;
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.bytes[at] = value;
    this.bytes[at + 1] = value >> 8;
  }

  u32(value: number): void {
    this.u32At(this.#take(4), value);
  }

  /** Writes a non-negative safe integer, in eight bytes. */
  u53(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, () => `${value} is not an unsigned safe integer`);
    const at = this.#take(8);
    this.u32At(at, value % 0x1_0000_0000);
    this.u32At(at + 4, Math.floor(value / 0x1_0000_0000));
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#take(bytes.length));
  }

  /** Leaves bytes free, with the value 0. */
  skip(length: number): void {
    this.#take(length);
  }

  /** Writes a two-byte length, and then the string in UTF-8. */
  text(value: string): void {
    const bytes = encodeUtf8(value);
    invariant(bytes.length <= 0xffff, () => `a text of ${bytes.length} bytes is too long for a two-byte length`);
    this.u16(bytes.length);
    this.raw(bytes);
  }

  /** Writes a string of hexadecimal digits as bytes, two digits per byte. */
  hex(digits: string): void {
    for (let at = 0; at < digits.length; at += 2) this.u8(16 * digitAt(digits, at) + digitAt(digits, at + 1));
  }

  /** Overwrites the 32-bit number at an offset that has been written before. */
  u32At(at: number, value: number): void {
    const { bytes } = this;
    if (at + 4 > bytes.length) throw tooSmall(at, 4, bytes.length);
    // An assignment to an element keeps the lowest eight bits.
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }

  /** Returns the current offset and moves it. Throws if the length of the buffer was too small. */
  #take(length: number): number {
    const at = this.#at;
    this.#at = at + length;
    if (this.#at > this.bytes.length) throw tooSmall(at, length, this.bytes.length);
    return at;
  }
}

function tooSmall(at: number, length: number, size: number): KontikiError {
  return new KontikiError(
    'KONTIKI_INVARIANT',
    `${length} bytes do not fit at byte ${at} of ${size}. This is a bug in the caller.`,
  );
}
