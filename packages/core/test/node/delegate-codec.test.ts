import fc from 'fast-check';
import { isKontikiError } from '@kontiki/core';
import { expect, it } from 'vitest';
import { decodeReport, decodeRequest } from '../../src/node/members/delegate-codec.js';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map((json) => new TextEncoder().encode(json)),
  fc
    .record({ kind: fc.constantFrom('running', 'changed', 'returned', 'failed', 'x'), error: fc.jsonValue() })
    .map((report) => new TextEncoder().encode(JSON.stringify(report))),
);

it.each([
  ['decodeRequest', decodeRequest],
  ['decodeReport', decodeReport],
])('%s throws KONTIKI_PROTOCOL for bytes that no server sends', (_, decode) => {
  fc.assert(
    fc.property(bytes, (data) => {
      try {
        const report = decode(data);
        if ('kind' in report && report.kind === 'failed') expect(typeof report.error.code).toBe('string');
      } catch (error) {
        expect(isKontikiError(error, 'KONTIKI_PROTOCOL')).toBe(true);
      }
    }),
    { seed: 1, numRuns: 2_000 },
  );
});
