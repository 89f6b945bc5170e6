// Shows that commands in existing logs stay readable. The encoding must match golden bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCommand, encodeCommand, MAX_COMMAND, type Condition, type KvCommand } from '../src/kv/command.js';
import { MAX_OPERATIONS } from '../src/kv/transaction.js';
import { MAX_KEY, MAX_TTL, MAX_VALUE, type Write } from '../src/kv/write.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));

const golden: readonly (readonly [name: string, digits: string, command: KvCommand])[] = [
  [
    'put',
    '000000000000000000000200c3a90102',
    { kind: 'put', key: 'é', value: Uint8Array.of(1, 2), condition: { kind: 'always' } },
  ],
  [
    'put if the key is absent',
    '00020000000000000000010061',
    { kind: 'put', key: 'a', value: new Uint8Array(), condition: { kind: 'absent' } },
  ],
  [
    'delete',
    '01010201000000000000010061',
    { kind: 'delete', key: 'a', condition: { kind: 'revision', revision: 258 } },
  ],
  [
    'put with a time to live',
    '0200000000000000000001006130750000000000000102',
    { kind: 'put', key: 'a', value: Uint8Array.of(1, 2), ttl: 30_000, condition: { kind: 'always' } },
  ],
  [
    'transaction',
    '03020201000000000000010061000000000000000001006203000100610200000001020101006202010063010000000000000000000000',
    {
      kind: 'transaction',
      compare: [
        { key: 'a', revision: 258 },
        { key: 'b', revision: null },
      ],
      writes: [
        { kind: 'put', key: 'a', value: Uint8Array.of(1, 2) },
        { kind: 'delete', key: 'b' },
        { kind: 'put', key: 'c', value: new Uint8Array(), ttl: 1 },
      ],
    },
  ],
];

const key = fc.string({ unit: 'grapheme', maxLength: 20 });
const ttl = fc.option(fc.integer({ min: 1, max: MAX_TTL }), { nil: undefined });
const write = fc.oneof(
  fc.record<Write & { kind: 'put' }>({ kind: fc.constant('put'), key, value: fc.uint8Array(), ttl }),
  fc.record<Write & { kind: 'delete' }>({ kind: fc.constant('delete'), key }),
);
const revision = fc.maxSafeNat().map((n) => Math.max(1, n));
const condition = fc.oneof(
  fc.constantFrom<Condition>({ kind: 'always' }, { kind: 'absent' }),
  revision.map((n): Condition => ({ kind: 'revision', revision: n })),
);
const command: fc.Arbitrary<KvCommand> = fc.oneof(
  fc.tuple(write, condition).map(([one, when]): KvCommand => ({ ...one, condition: when })),
  fc.record<KvCommand & { kind: 'transaction' }>({
    kind: fc.constant('transaction'),
    compare: fc.array(fc.record({ key, revision: fc.option(revision) }), { maxLength: MAX_OPERATIONS }),
    writes: fc.array(write, { maxLength: MAX_OPERATIONS }),
  }),
);

describe('commands', () => {
  it.each(golden)('the encoding of a %s matches its golden bytes', (_, digits, value) => {
    expect(hex(encodeCommand(value))).toBe(digits);
    expect(decodeCommand(bytesOf(digits))).toEqual(value);
  });

  it('decodeCommand returns what encodeCommand received', () => {
    const survives = fc.property(command, (value) => {
      expect(decodeCommand(encodeCommand(value))).toEqual(value);
    });
    fc.assert(survives);
  });

  it.each([
    ['of an unknown kind', '04000000000000000000010061'],
    ['without a time to live', '02000000000000000000010061'],
    ['with a time to live of 0', '020000000000000000000100610000000000000000'],
    ['with a time to live above the maximum', '02000000000000000000010061ffffffffffff1f00'],
    ['with an unknown write in a transaction', '0300010301006100000000'],
    ['with bytes after a transaction', '0300010101006100'],
    ['that ends in a transaction', '0300020101006101'],
  ])('decodeCommand rejects a command %s', (_, digits) => {
    expect(() => decodeCommand(bytesOf(digits))).toThrow(expect.objectContaining({ code: 'KONTIKI_PROTOCOL' }));
  });

  it('the largest transaction fits into the maximum length of a command', () => {
    const keys = Array.from({ length: MAX_OPERATIONS }, (_, i) => `${i}`.padStart(MAX_KEY, '0'));
    const value = new Uint8Array(MAX_VALUE / MAX_OPERATIONS - 2 * MAX_KEY);
    const { length } = encodeCommand({
      kind: 'transaction',
      compare: keys.map((one) => ({ key: one, revision: 1 })),
      writes: keys.map((one) => ({ kind: 'put', key: one, value, ttl: MAX_TTL })),
    });
    expect(length).toBeGreaterThan(MAX_VALUE);
    // A session record adds less than 64 bytes.
    expect(length).toBeLessThan(MAX_COMMAND - 64);
  });
});
