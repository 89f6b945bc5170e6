import type { SnapshotInfo } from '@kontiki/core';
import { MAX_SNAPSHOT_CHUNK as CHUNK } from '@kontiki/core/wire';
import { VirtualClock } from '@kontiki/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { SnapshotSender } from '../../src/node/snapshots/sender.js';
import { SnapshotWindow } from '../../src/node/snapshots/window.js';
import { metaOf } from './sample-meta.js';

const MiB = 1024 * 1024;

const snapshot: SnapshotInfo = { ...metaOf('a', 10), bytes: 100 * CHUNK };

/** A read-only snapshot store that returns zeros. */
const store = {
  async *read(_id: string, offset = 0): AsyncIterable<Uint8Array> {
    for (let at = offset; at < snapshot.bytes; at += CHUNK) yield new Uint8Array(Math.min(CHUNK, snapshot.bytes - at));
  },
} as never;

describe('SnapshotSender', () => {
  let clock: VirtualClock;
  let window: SnapshotWindow;
  let sent: number[] = [];
  let offers = 0;
  let acknowledged = 0;

  beforeEach(() => {
    clock = new VirtualClock();
    window = new SnapshotWindow();
    [sent, offers, acknowledged] = [[], 0, 0];
  });

  function startSender(): SnapshotSender {
    const sender = new SnapshotSender({
      stream: 1,
      snapshot,
      store,
      clock,
      answerTimeoutMs: 500,
      window,
      bytesPerSecond: () => Infinity,
      send: (body) => {
        if (body.kind === 'snapshotChunk') sent.push(body.offset);
        else offers += 1;
        return true;
      },
      onProgress: (bytes) => (acknowledged = bytes),
      onStartedOver: () => {},
      onTransferFailed: (error) => expect.unreachable(error.message),
    });
    sender.start();
    return sender;
  }

  /** Acknowledges all bytes sent so far, `times` times in a row. */
  async function acknowledge(sender: SnapshotSender, times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      await clock.settle();
      sender.onAcknowledged((sent.at(-1) ?? -CHUNK) + CHUNK);
    }
    await clock.settle();
  }

  it('SnapshotSender ignores an acknowledgement of bytes that it has not sent', async () => {
    const sender = startSender();
    sender.onAcknowledged(snapshot.bytes + 1);
    await clock.settle();
    expect([sent, acknowledged]).toEqual([[], 0]);
    sender.onAcknowledged(0);
    await clock.settle();
    expect(sent).toEqual([0]);
    sender.onAcknowledged(2 * CHUNK);
    await clock.settle();
    expect([sent, acknowledged]).toEqual([[0], 0]);
    sender.onAcknowledged(CHUNK);
    await clock.settle();
    expect([sent, acknowledged]).toEqual([[0, CHUNK, 2 * CHUNK], CHUNK]);
  });

  it('SnapshotSender repeats its offer after a timeout and resumes with one chunk', async () => {
    const sender = startSender();
    await acknowledge(sender, 3);
    expect(sent.length).toBeGreaterThan(4);
    await clock.elapse(400);
    expect(offers).toBe(1);
    await clock.elapse(700);
    expect(offers).toBe(2);
    sent = [];
    sender.onAcknowledged(CHUNK);
    await clock.settle();
    expect(sent).toEqual([CHUNK]);
  });

  it('SnapshotSender frees its window share on timeout and close (bugs.md#94)', async () => {
    const room = (): boolean => window.take(16 * MiB, 0);
    const sender = startSender();
    await acknowledge(sender, 3);
    expect(room()).toBe(false);
    await clock.elapse(1_000);
    expect(room()).toBe(true);
    window.give(16 * MiB);
    sender.onAcknowledged(0);
    await clock.settle();
    expect(room()).toBe(false);
    sender.close();
    expect(room()).toBe(true);
    window.give(16 * MiB);
    for (let i = 0; i < 100; i += 1) startSender().close();
    window.join();
    expect(window.take(MiB, 2 * MiB)).toBe(true);
  });
});
