import { KontikiError } from '../errors.js';

/** The two hexadecimal digits for each value of a byte. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Convert the bytes so that callers receive a plain Uint8Array. A `subarray` of a Buffer would
    // be a Buffer, whose `slice` shares memory instead of copying.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
    return this.#view.getUint8(at);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Reads a non-negative safe integer. */
  u53(): number {
    const at = this.#take(8);
    const high = this.#view.getUint32(at + 4, true);
    if (high > 0x1f_ffff) throw protocolError(`The number at byte ${at} is above 2^53.`);
    return high * 0x1_0000_0000 + this.#view.getUint32(at, true);
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
      return utf8.decode(bytes);
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
