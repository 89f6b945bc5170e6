import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { isKontikiError, KontikiError, NotLeaderError, type Leader } from '@kontiki/core';

describe('isKontikiError', () => {
  it('isKontikiError recognizes errors from another copy of the package', async () => {
    vi.resetModules();
    const copy = await import('../src/errors.js');
    const error = new copy.KontikiError('KONTIKI_COMPACTED', 'gone');
    expect(error instanceof KontikiError).toBe(false);
    expect(isKontikiError(error)).toBe(true);
    expect(isKontikiError(error, 'KONTIKI_COMPACTED')).toBe(true);
    expect(isKontikiError(error, 'KONTIKI_CORRUPT')).toBe(false);
  });

  it.each([
    ['an error of Node', Object.assign(new Error('x'), { code: 'KONTIKI_CLOSED' })],
    ['a plain object', { code: 'KONTIKI_CLOSED', message: 'x' }],
    ['a string', 'KONTIKI_CLOSED'],
    ['null', null],
    ['undefined', undefined],
  ])('isKontikiError returns false for %s', (_, value) => {
    expect(isKontikiError(value)).toBe(false);
    expect(isKontikiError(value, 'KONTIKI_CLOSED')).toBe(false);
  });

  it('isKontikiError narrows the type to the error with the given code', () => {
    const leader = { id: 'a', address: 'ws://a', metadata: '' };
    const error: unknown = new NotLeaderError('b does not lead', leader);
    if (!isKontikiError(error, 'KONTIKI_NOT_LEADER')) return expect.unreachable();
    expectTypeOf(error.leader).toEqualTypeOf<Leader | undefined>();
    expect(error.leader).toBe(leader);
    expect(error).toMatchObject({ name: 'NotLeaderError', code: 'KONTIKI_NOT_LEADER' });
  });

  it('a Kontiki error has no enumerable properties except code and name', () => {
    expect(Object.keys(new KontikiError('KONTIKI_CLOSED', 'x'))).toEqual(['code', 'name']);
  });
});
