import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { crc32 } from '@kontiki/core/wire';

const utf8 = new TextEncoder();

it.each([
  ['', 0],
  ['a', 0xe8b7be43],
  ['123456789', 0xcbf43926],
  ['The quick brown fox jumps over the lazy dog', 0x414fa339],
])('crc32 returns the published checksum of %j', (text, sum) => {
  expect(crc32(utf8.encode(text))).toBe(sum);
});

it.each(['with', 'without'])(
  "crc32 agrees with zlib, whole or in pieces, %s the runtime's native CRC",
  async (which) => {
    const runtime = vi.spyOn(process, 'getBuiltinModule');
    if (which === 'without') runtime.mockReturnValue(undefined as never);
    vi.resetModules();
    const { crc32: loaded } = await import('@kontiki/core/wire');
    expect(runtime).toHaveBeenCalledWith('node:zlib');
    runtime.mockRestore();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000, size: 'max' }), fc.nat(1_000), (bytes, cut) => {
        expect(loaded(bytes)).toBe(zlib.crc32(bytes));
        expect(loaded(bytes.subarray(cut), loaded(bytes.subarray(0, cut)))).toBe(zlib.crc32(bytes));
      }),
      { seed: 1 },
    );
  },
);
