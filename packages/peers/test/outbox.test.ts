import { expect, it } from 'vitest';
import type { Message } from '@kontiki/core';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { BATCH_BYTES, Outbox } from '@kontiki/peers';

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

function names(messages: readonly Message[]): string[] {
  return messages.map((m) =>
    m.kind === 'append' ? `append ${m.prevIndex}` : `${m.kind} ${m.kind === 'commit' ? m.committed : ''}`,
  );
}

it('gives what is urgent first, and each kind in its order', () => {
  const outbox = new Outbox(1024 * KiB);
  for (const message of [append(1, 10), commit(1), append(2, 10), append(9, undefined), commit(2)]) {
    expect(outbox.push(message)).toBe('queued');
  }
  expect(names(outbox.take())).toEqual(['commit 1', 'commit 2', 'append 1', 'append 2', 'append 9']);
  expect(outbox.empty).toBe(true);
  expect(outbox.take()).toEqual([]);
});

it('fills frames up to 256 KiB and no further', () => {
  const outbox = new Outbox(10_000 * KiB);
  for (let i = 1; i <= 100; i += 1) outbox.push(append(i, 10 * KiB));
  let count = 0;
  while (!outbox.empty) {
    const messages = outbox.take();
    count += messages.length;
    const { length } = encodeFrame(messages);
    expect(length).toBeLessThanOrEqual(BATCH_BYTES);
    if (!outbox.empty) expect(length).toBeGreaterThan(BATCH_BYTES - 11 * KiB);
  }
  expect(count).toBe(100);
});

it('gives a larger message alone', () => {
  const outbox = new Outbox(10_000 * KiB);
  outbox.push(append(1, 1000 * KiB));
  outbox.push(append(2, 10));
  outbox.push(commit(1));
  expect(names(outbox.take())).toEqual(['commit 1']);
  expect(names(outbox.take())).toEqual(['append 1']);
  expect(names(outbox.take())).toEqual(['append 2']);
});

it('drops the newest bulk, so that what it holds has no gap', () => {
  const outbox = new Outbox(100 * KiB);
  const pushed = Array.from({ length: 20 }, (_, i) => outbox.push(append(i, 10 * KiB)));
  expect(pushed.filter((p) => p === 'queued')).toHaveLength(9);
  expect(names(outbox.take())).toEqual(Array.from({ length: 9 }, (_, i) => `append ${i}`));
  expect(outbox.push(append(20, 10 * KiB))).toBe('queued');
});

it('lets one message in, however large; none that no frame can hold', () => {
  const outbox = new Outbox(1);
  expect(outbox.push(append(1, MAX_FRAME))).toBe('tooLarge');
  expect(outbox.push(append(1, MAX_FRAME - 200))).toBe('queued');
  expect(outbox.push(append(2, 1))).toBe('full');
  expect(encodeFrame(outbox.take()).length).toBeLessThanOrEqual(MAX_FRAME);
});

it('drops the oldest of what is urgent, and fits it into one frame', () => {
  const outbox = new Outbox(1);
  for (let i = 0; i < 5000; i += 1) outbox.push(commit(i));
  const messages = outbox.take();
  expect(names(messages)).toEqual(Array.from({ length: 1024 }, (_, i) => `commit ${5000 - 1024 + i}`));
  expect(encodeFrame(messages).length).toBeLessThan(BATCH_BYTES);
});

it('forgets everything when told to', () => {
  const outbox = new Outbox(KiB);
  outbox.push(commit(1));
  outbox.push(append(1, 900));
  outbox.clear();
  expect(outbox.empty).toBe(true);
  expect(outbox.push(append(2, 900))).toBe('queued');
  expect(outbox.push(append(3, 900))).toBe('full');
});
