import { expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '@kontiki/core/wire';
import { samples } from './arbitraries.js';
import { golden } from './golden.js';

// Every release must read the bytes of all earlier releases, so the golden bytes never change.
const versions = Object.entries(golden).flatMap(([version, frames]) =>
  samples.map((message) => [message.kind, Number(version), message, frames[message.kind]] as const),
);

it.each(versions)('the encoding of %s in version %i does not change', (_kind, version, message, frame) => {
  if (frame === undefined) return expect(encodeFrame([message], { version })).toEqual(encodeFrame([], { version }));
  expect(Buffer.from(encodeFrame([message], { group: 3, version })).toString('hex')).toBe(frame);
  expect(decodeFrame(Buffer.from(frame, 'hex'))).toEqual({ group: 3, messages: [message], skipped: [] });
});

it('every kind of message has a golden frame in the newest version', () => {
  expect(Object.keys(golden[2]).sort()).toEqual([...new Set(samples.map(({ kind }) => kind))].sort());
});
