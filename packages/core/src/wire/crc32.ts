/**
 * Lookup tables for CRC-32 (IEEE 802.3, as in zlib). There are eight tables, so that each step can
 * process eight bytes.
 */
const tables: Uint32Array[] = Array.from({ length: 8 }, () => new Uint32Array(256));

function table(slice: number): Uint32Array {
  return tables[slice] as Uint32Array;
}

for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  table(0)[byte] = crc >>> 0;
}
for (let byte = 0; byte < 256; byte += 1) {
  for (let slice = 1; slice < 8; slice += 1) {
    const before = table(slice - 1)[byte] as number;
    table(slice)[byte] = ((before >>> 8) ^ (table(0)[before & 0xff] as number)) >>> 0;
  }
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/**
 * Minimum number of bytes for which the runtime's CRC is called. Below that, the call costs more
 * than it saves.
 */
const WORTH_A_CALL = 384;

/** The part of `globalThis` that provides a native CRC in some runtimes. */
interface Runtime {
  readonly process?: {
    getBuiltinModule?(id: string): { readonly crc32?: (bytes: Uint8Array, before: number) => number } | undefined;
  };
}

/**
 * The runtime's CRC function; undefined if it has none. The function in Node's zlib module is four
 * times as fast as the tables.
 */
const native = (globalThis as Runtime).process?.getBuiltinModule?.('node:zlib')?.crc32;

/**
 * Returns the checksum of `bytes`, an unsigned 32-bit number. `before` is the checksum of any
 * preceding bytes.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  return native !== undefined && bytes.length >= WORTH_A_CALL ? native(bytes, before) : byTables(bytes, before);
}

function byTables(bytes: Uint8Array, before: number): number {
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t7[low & 0xff] as number) ^
      (t6[(low >>> 8) & 0xff] as number) ^
      (t5[(low >>> 16) & 0xff] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number);
  }
  for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
