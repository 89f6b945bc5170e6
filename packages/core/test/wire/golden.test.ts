import { expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '@kontiki/core/wire';
import { samples } from './arbitraries.js';
import { golden } from './golden.js';

/** What version 1 looks like. Bytes written by any release must be read by every later one, so these never change. */
it.each(samples.map((message) => [message.kind, message] as const))('writes and reads %s as ever', (kind, message) => {
  expect(Buffer.from(encodeFrame([message], 3)).toString('hex')).toBe(golden[kind]);
  expect(decodeFrame(Buffer.from(golden[kind], 'hex'))).toEqual({ group: 3, messages: [message] });
});
