import { expect, it } from 'vitest';
import { type Logger, type Message, silentLogger } from '@kontiki/core';
import { decodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { BATCH_BYTES, SendQueue, ThrottledLogger } from '@kontiki/peers';

const KiB = 1024;

function commit(committed: number): Message {
  return { kind: 'commit', term: 1, incarnation: 1, committed };
}

function append(prevIndex: number, bytes: number | undefined): Message {
  const data =
    bytes === undefined
      ? []
      : [{ kind: 'command', index: prevIndex + 1, term: 1, data: new Uint8Array(bytes) } as const];
  return { kind: 'append', term: 1, incarnation: 1, stream: 1, prevIndex, prevTerm: 1, committed: 0, entries: data };
}

function queueOf(maxBytes: number, logger: Logger = silentLogger): SendQueue {
  return new SendQueue('b', maxBytes, new ThrottledLogger(logger));
}

/** Returns the messages in a frame as short strings. */
function messagesOf(frame: Uint8Array | undefined): string[] {
  const { messages } = decodeFrame(frame as Uint8Array);
  return messages.map((m) =>
    m.kind === 'append' ? `append ${m.prevIndex}` : `${m.kind} ${m.kind === 'commit' ? m.committed : ''}`,
  );
}

/** Takes all frames from the queue and returns their messages as short strings. */
function drain(queue: SendQueue): string[] {
  const all: string[] = [];
  while (!queue.isEmpty) all.push(...messagesOf(queue.takeFrame(2)));
  return all;
}

it('a frame contains urgent messages before bulk messages, each kind in order', () => {
  const queue = queueOf(1024 * KiB);
  queue.push([append(1, 10), commit(1), append(2, 10), append(9, undefined), commit(2)]);
  expect(messagesOf(queue.takeFrame(2))).toEqual(['commit 1', 'commit 2', 'append 1', 'append 2', 'append 9']);
  expect(queue.isEmpty).toBe(true);
  expect(queue.takeFrame(2)).toBeUndefined();
});

it('takeUrgentFrame leaves bulk messages in the queue', () => {
  const queue = queueOf(1024 * KiB);
  queue.push([append(1, 10), commit(1)]);
  expect(messagesOf(queue.takeUrgentFrame(2))).toEqual(['commit 1']);
  expect([queue.hasUrgent, queue.hasBulk]).toEqual([false, true]);
  expect(queue.takeUrgentFrame(2)).toBeUndefined();
});

it('a frame with several messages is at most 256 KiB long', () => {
  const queue = queueOf(10_000 * KiB);
  for (let i = 1; i <= 100; i += 1) queue.push([append(i, 10 * KiB)]);
  let count = 0;
  while (!queue.isEmpty) {
    const frame = queue.takeFrame(2) as Uint8Array;
    count += messagesOf(frame).length;
    expect(frame.length).toBeLessThanOrEqual(BATCH_BYTES);
    if (!queue.isEmpty) expect(frame.length).toBeGreaterThan(BATCH_BYTES - 11 * KiB);
  }
  expect(count).toBe(100);
});

it('a message larger than 256 KiB is sent in a frame of its own', () => {
  const queue = queueOf(10_000 * KiB);
  queue.push([append(1, 1000 * KiB), append(2, 10), commit(1)]);
  expect(messagesOf(queue.takeFrame(2))).toEqual(['commit 1']);
  expect(messagesOf(queue.takeFrame(2))).toEqual(['append 1']);
  expect(messagesOf(queue.takeFrame(2))).toEqual(['append 2']);
});

it('a full queue drops the newest appends and keeps the earlier ones without a gap', () => {
  const queue = queueOf(100 * KiB);
  for (let i = 1; i <= 20; i += 1) queue.push([append(i, 10 * KiB)]);
  expect(drain(queue)).toEqual(Array.from({ length: 9 }, (_, i) => `append ${i + 1}`));
  queue.push([append(21, 10 * KiB)]);
  expect(drain(queue)).toEqual(['append 21']);
});

it('an empty queue accepts one append of any size that fits in a frame', () => {
  const lines: string[] = [];
  const queue = queueOf(1, { ...silentLogger, error: (text) => lines.push(text), debug: (text) => lines.push(text) });
  queue.push([append(1, MAX_FRAME)]);
  expect([queue.isEmpty, lines]).toEqual([true, [expect.stringMatching(/exceeds the maximum frame size/)]]);
  queue.push([append(1, MAX_FRAME - 200), append(2, 1)]);
  expect(lines).toEqual([expect.anything(), expect.stringMatching(/queue for this peer is full/)]);
  const frame = queue.takeFrame(2) as Uint8Array;
  expect(messagesOf(frame)).toEqual(['append 1']);
  expect(frame.length).toBeLessThanOrEqual(MAX_FRAME);
});

it('a full queue drops the oldest urgent messages and sends the rest in one frame', () => {
  const queue = queueOf(1);
  for (let i = 0; i < 5000; i += 1) queue.push([commit(i)]);
  const frame = queue.takeFrame(2) as Uint8Array;
  expect(messagesOf(frame)).toEqual(Array.from({ length: 1024 }, (_, i) => `commit ${5000 - 1024 + i}`));
  expect(frame.length).toBeLessThan(BATCH_BYTES);
});

it('clear removes all messages and frees their space in the queue', () => {
  const queue = queueOf(KiB);
  queue.push([commit(1), append(1, 900)]);
  queue.clear();
  expect(queue.isEmpty).toBe(true);
  queue.push([append(2, 900), append(3, 900)]);
  expect(drain(queue)).toEqual(['append 2']);
});
