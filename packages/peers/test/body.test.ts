import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { Body, type BodyFault } from '@kontiki/peers';
import { heldBytes } from './transports/servers.js';

const MAX = 1024 * 1024;

/**
 * Creates a message, optionally with a content length, and collects everything that its `Body`
 * reports.
 */
function createMessage(length?: number): {
  readonly message: EventEmitter;
  readonly body: Body;
  readonly results: unknown[];
} {
  const headers = length === undefined ? {} : { 'content-length': `${length}` };
  const incoming = Object.assign(new EventEmitter(), { headers });
  const results: (Buffer | BodyFault)[] = [];
  return {
    message: incoming,
    body: new Body(incoming as unknown as IncomingMessage, MAX, (result) => results.push(result)),
    results,
  };
}

it.each([undefined, 200_000])('Body joins chunks of any size (content length: %s)', (length) => {
  const whole = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) & 255));
  const { message: incoming, body, results } = createMessage(length);
  for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 3) % 4_099) {
    incoming.emit('data', whole.subarray(at, at + size));
    expect(body.received).toBe(Math.min(at + size, whole.length));
  }
  incoming.emit('end');
  incoming.emit('close');
  expect(results).toEqual([whole]);
  // A slice of a buffer keeps the whole buffer in memory, so the buffer must not be larger than the
  // body.
  if (length !== undefined) expect((results[0] as Buffer).buffer.byteLength).toBe(length);
});

it('Body uses little memory for a body received byte by byte', () => {
  const { message: incoming, body, results } = createMessage();
  const held = (): number => heldBytes() + process.memoryUsage().heapUsed;
  const before = held();
  for (let i = 0; i < 300_000; i += 1) incoming.emit('data', Buffer.from([i & 255]));
  expect(body.received).toBe(300_000);
  expect(held() - before).toBeLessThan(5_000_000);
  incoming.emit('end');
  expect(results).toHaveLength(1);
});

it('Body does not retain the buffer that contains the first part of a body', () => {
  const before = heldBytes();
  const messages = Array.from({ length: 8 }, () => createMessage(10));
  for (const { message } of messages) message.emit('data', Buffer.allocUnsafeSlow(MAX).subarray(0, 1));
  // The event loop may still hold a reference to the last buffer.
  expect(heldBytes() - before).toBeLessThan(2 * MAX);
  expect(messages.map(({ body }) => body.received)).toEqual(Array.from({ length: 8 }, () => 1));
});

it.each([
  ['is announced', MAX + 1],
  ['arrives', undefined],
])('Body stops and frees its memory if a longer body %s', (_, length) => {
  const { message: incoming, results } = createMessage(length);
  for (let sent = 0; sent <= MAX; sent += 0x10000) incoming.emit('data', Buffer.alloc(0x10000));
  incoming.emit('end');
  expect(results).toEqual(['large']);
});

it('Body reports a body cut short by a closed connection', () => {
  const { message: incoming, results } = createMessage(10);
  incoming.emit('data', Buffer.from('half'));
  incoming.emit('close');
  expect(results).toEqual(['cut']);
});
