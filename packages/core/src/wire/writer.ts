import { invariant } from '../invariant.js';
import { encodeUtf8 } from './utf8.js';

/** Returns the number of bytes of a string in UTF-8, including two bytes for its length. */
export function textLength(text: string): number {
  return 2 + encodeUtf8(text).length;
}

/**
 * Returns the value of a digit from 0 to f. Every message contains such digits, so avoid the slower
 * `parseInt`.
 */
function digitAt(digits: string, at: number): number {
  const code = digits.charCodeAt(at);
  return code - (code < 0x3a ? 0x30 : 0x57);
}

/**
 * Writes values into a buffer of known length. Allocates the buffer once, or uses `memory` if it is
 * large enough. Numbers are little-endian.
 */
export class Writer {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(length: number, memory?: Uint8Array) {
    if (memory?.length === length) this.#bytes = memory;
    else
      this.#bytes =
        memory !== undefined && memory.length > length ? memory.subarray(0, length) : new Uint8Array(length);
  }

  /** The memory that was written. Throws if more was written than fits. */
  get bytes(): Uint8Array {
    // A write of a number beyond the end is silently lost.
    invariant(this.#at <= this.#bytes.length, () => `${this.#at} bytes were written into ${this.#bytes.length}`);
    return this.#bytes;
  }

  get at(): number {
    return this.#at;
  }

  u8(value: number): void {
    this.#bytes[this.#at] = value;
    this.#at += 1;
  }

  u16(value: number): void {
    this.#bytes[this.#at] = value;
    this.#bytes[this.#at + 1] = value >>> 8;
    this.#at += 2;
  }

  u32(value: number): void {
    this.u32At(this.#at, value);
    this.#at += 4;
  }

  /** Writes a safe integer of at least 0, in eight bytes. */
  u53(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, () => `${value} is not an unsigned safe integer`);
    this.u32At(this.#at, value % 0x1_0000_0000);
    this.u32At(this.#at + 4, Math.floor(value / 0x1_0000_0000));
    this.#at += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Leaves bytes free, with the value 0. */
  skip(length: number): void {
    this.#at += length;
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

  /** Overwrites the 32-bit number at an earlier offset. */
  u32At(at: number, value: number): void {
    // Most records are small, so creating a DataView would cost more than it saves.
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value >>> 16;
    this.#bytes[at + 3] = value >>> 24;
  }
}
