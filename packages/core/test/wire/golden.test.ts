import { expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '@kontiki/core/wire';
import { samples } from './arbitraries.js';
import { golden } from './golden.js';

// Every release must read the bytes of all earlier releases, so the golden bytes never change.
it.each(samples.map((message) => [message.kind, message] as const))(
  'the version 1 encoding of %s does not change',
  (kind, message) => {
    expect(Buffer.from(encodeFrame([message], 3)).toString('hex')).toBe(golden[kind]);
    expect(decodeFrame(Buffer.from(golden[kind], 'hex'))).toEqual({ group: 3, messages: [message] });
  },
);
