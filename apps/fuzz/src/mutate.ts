/**
 * A change to an input. It consists of a kind, a position, and two numbers whose meaning depends on
 * the kind.
 */
export type Edit = readonly [kind: number, at: number, a: number, b: number];

export const EDIT_KINDS = 9;
/** Exclusive upper bound of the position and of the two numbers of an edit. */
export const EDIT_RANGE = 0x1_0000_0000;

/** Extreme lengths and counts, at the limits of their types and of the file formats. */
const NUMBERS = [
  0, 1, 7, 16, 31, 32, 33, 64, 127, 128, 255, 256, 512, 1_024, 0x7fff, 0xffff, 0x1_0000, 0x001f_ffff, 0x0020_0000,
  0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
] as const;

/** Returns a changed copy of `input`, of at most `maxLength` bytes. `other` is another input. */
export function mutate(input: Uint8Array, edits: readonly Edit[], other: Uint8Array, maxLength: number): Uint8Array {
  let bytes: Buffer = Buffer.from(input);
  for (const edit of edits) bytes = apply(bytes, edit, other);
  return new Uint8Array(bytes.subarray(0, maxLength));
}

function apply(bytes: Buffer, [kind, position, a, b]: Edit, other: Uint8Array): Buffer {
  const at = bytes.length === 0 ? 0 : position % bytes.length;
  const number = NUMBERS[a % NUMBERS.length] as number;
  const length = 1 + (a % Math.min(64, Math.max(1, bytes.length - at)));
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case 0: // Flip one bit.
      if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << (a & 7));
      return bytes;
    case 1:
      if (bytes.length > 0) bytes[at] = a & 0xff;
      return bytes;
    case 2: // Truncate the input.
      return bytes.subarray(0, at);
    case 3: // Remove a span.
      return Buffer.concat([before, bytes.subarray(at + length)]);
    case 4: // Duplicate a span, sometimes many times.
      return Buffer.concat([before, ...Array<Buffer>(1 + (b % 8)).fill(after.subarray(0, length)), after]);
    case 5: // Write an extreme number of one to eight bytes.
      for (let i = 0; i < 1 << (b & 3) && at + i < bytes.length; i += 1)
        bytes[at + i] = i < 4 ? (number >>> (8 * i)) & 0xff : b >>> 24;
      return bytes;
    case 6: // Write an extreme number as decimal digits.
      return Buffer.concat([before, Buffer.from(`${b & 1 ? number * EDIT_RANGE : number}`), after]);
    case 7: // Insert bytes.
      return Buffer.concat([before, Buffer.from([a & 0xff, (a >>> 8) & 0xff, (a >>> 16) & 0xff].slice(b % 3)), after]);
    default: {
      // Insert a span of another input.
      const from = other.length === 0 ? 0 : b % other.length;
      return Buffer.concat([before, other.subarray(from, from + length), after]);
    }
  }
}
