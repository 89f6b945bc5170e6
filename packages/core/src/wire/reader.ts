import { KontikiError } from '../errors.js';
import { decodeUtf8 } from './utf8.js';

/** The two hexadecimal digits for each value of a byte. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Returns the little-endian number in four bytes. Small records need no `DataView` this way. */
function u32At(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return low + (bytes[at + 3] as number) * 0x100_0000;
}

/** Returns the error for bytes that cannot be decoded. */
export function protocolError(message: string, cause?: unknown): KontikiError {
  return new KontikiError('KONTIKI_PROTOCOL', message, { cause });
}

/** Returns the error for bytes that are intact, but that only a newer version can read. */
export function newerError(what: string): KontikiError {
  return new KontikiError('KONTIKI_FORMAT', `${what} Only a newer version can read it.`);
}

/**
 * Reads the output of a `Writer`. Checks every length before use, and throws `KONTIKI_PROTOCOL` for
 * invalid bytes.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Convert the bytes so that callers receive a plain Uint8Array. A `subarray` of a Buffer would
    // be a Buffer, whose `slice` shares memory instead of copying.
    this.#bytes =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Returns the next byte without moving the read position. */
  peek(): number {
    const at = this.#take(1);
    this.#at = at;
    return this.#bytes[at] as number;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.#bytes[at] as number) | ((this.#bytes[at + 1] as number) << 8);
  }

  u32(): number {
    return u32At(this.#bytes, this.#take(4));
  }

  /** Reads a non-negative safe integer. */
  u53(): number {
    const at = this.#take(8);
    const high = u32At(this.#bytes, at + 4);
    if (high > 0x1f_ffff) throw protocolError(`The number at byte ${at} is above 2^53.`);
    return high * 0x1_0000_0000 + u32At(this.#bytes, at);
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw protocolError(`The flag at byte ${this.#at - 1} is ${value}, not 0 or 1.`);
    return value === 1;
  }

  /**
   * Returns a view of the next bytes rather than a copy. The view keeps the whole frame in memory.
   */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Reads bytes and returns them as hexadecimal digits, two per byte. */
  hex(bytes: number): string {
    const at = this.#take(bytes);
    let digits = '';
    for (let i = at; i < at + bytes; i += 1) digits += PAIRS[this.#bytes[i] as number] as string;
    return digits;
  }

  /** Reads a UTF-8 string of at most `maxBytes` bytes. */
  text(maxBytes: number): string {
    const length = this.u16();
    if (length > maxBytes) throw protocolError(`A text of ${length} bytes exceeds the limit of ${maxBytes}.`);
    const bytes = this.raw(length);
    try {
      return decodeUtf8(bytes);
    } catch (error) {
      throw protocolError(`The text at byte ${this.#at - length} is not UTF-8.`, error);
    }
  }

  /**
   * Reads a count of items, each of at least `bytesEach` bytes. Throws if the remaining bytes
   * cannot contain that many items. This makes it safe for callers to allocate memory for the
   * items.
   */
  count(bytesEach: number): number {
    const count = this.u32();
    if (count * bytesEach > this.left) throw protocolError(`${count} items cannot fit in ${this.left} bytes.`);
    return count;
  }

  /** Throws unless all bytes have been read. */
  end(): void {
    if (this.left > 0) throw protocolError(`${this.left} bytes follow the end.`);
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.left) throw protocolError(`${length} bytes are missing at byte ${at} of ${this.#bytes.length}.`);
    this.#at = at + length;
    return at;
  }
}
