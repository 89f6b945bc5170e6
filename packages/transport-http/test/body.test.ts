import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { MAX_FRAME } from '@kontiki/core/wire';
import { Body, type BodyFault } from '../src/body.js';
import { heldBytes } from './servers.js';

/** A message that says how long it is, or doesn't, and what becomes of its body. */
function message(length?: number): { readonly message: EventEmitter; readonly body: Body; readonly ends: unknown[] } {
  const headers = length === undefined ? {} : { 'content-length': `${length}` };
  const incoming = Object.assign(new EventEmitter(), { headers });
  const ends: (Buffer | BodyFault)[] = [];
  return { message: incoming, body: new Body(incoming as unknown as IncomingMessage, (end) => ends.push(end)), ends };
}

it.each([undefined, 200_000])('is put together from pieces of any size (announced: %s)', (length) => {
  const whole = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) & 255));
  const { message: incoming, body, ends } = message(length);
  for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 3) % 4_099) {
    incoming.emit('data', whole.subarray(at, at + size));
    expect(body.received).toBe(Math.min(at + size, whole.length));
  }
  incoming.emit('end');
  incoming.emit('close');
  expect(ends).toEqual([whole]);
  // What was announced is what it takes, and what is kept of a frame keeps the rest.
  if (length !== undefined) expect((ends[0] as Buffer).buffer.byteLength).toBe(length);
});

it('takes no more memory than its bytes when they come one by one', () => {
  const { message: incoming, body, ends } = message();
  const held = (): number => heldBytes() + process.memoryUsage().heapUsed;
  const before = held();
  for (let i = 0; i < 300_000; i += 1) incoming.emit('data', Buffer.from([i & 255]));
  expect(body.received).toBe(300_000);
  expect(held() - before).toBeLessThan(5_000_000);
  incoming.emit('end');
  expect(ends).toHaveLength(1);
});

it.each([
  ['is announced', MAX_FRAME + 1],
  ['comes', undefined],
])('is given up, and nothing of it kept, when more than a frame %s', (_, length) => {
  const { message: incoming, ends } = message(length);
  for (let sent = 0; sent <= MAX_FRAME; sent += 0x10000) incoming.emit('data', Buffer.alloc(0x10000));
  incoming.emit('end');
  expect(ends).toEqual(['large']);
});

it('is cut when its connection is', () => {
  const { message: incoming, ends } = message(10);
  incoming.emit('data', Buffer.from('half'));
  incoming.emit('close');
  expect(ends).toEqual(['cut']);
});
