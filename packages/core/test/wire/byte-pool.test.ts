import { expect, it } from 'vitest';
import { BytePool } from '../../src/wire/byte-pool.js';

it('arrays of a pool never overlap, and are zero', () => {
  const pool = new BytePool();
  const arrays = Array.from({ length: 200 }, (_, i) => pool.allocate(i * 37));
  for (const array of arrays) expect(array.every((byte) => byte === 0)).toBe(true);
  arrays.forEach((array, i) => array.fill(i));
  arrays.forEach((array, i) => expect(array.every((byte) => byte === i)).toBe(true));
});

it('small arrays of a pool share memory, and large ones do not', () => {
  const pool = new BytePool();
  expect(pool.allocate(4_096).buffer).toBe(pool.allocate(1).buffer);
  expect(pool.allocate(4_097).buffer.byteLength).toBe(4_097);
});

it('a copy does not change when the original changes', () => {
  const original = Uint8Array.of(1, 2, 3);
  const copy = new BytePool().copy(original);
  original.fill(9);
  expect(copy).toEqual(Uint8Array.of(1, 2, 3));
});
