// Shows that snapshot transfers use bounded memory and resend few bytes. Connects senders and
// receivers through links and stores that the test controls.
import { MemorySnapshots, type SnapshotInfo, type SnapshotWriter } from '@kontiki/core';
import { encodeSnapshot, MAX_SNAPSHOT_CHUNK } from '@kontiki/core/wire';
import { VirtualClock } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { SnapshotReceiver } from '../../src/node/snapshots/receiver.js';
import { SnapshotSender } from '../../src/node/snapshots/sender.js';
import { SnapshotWindow } from '../../src/node/snapshots/window.js';
import type { SnapshotChunk } from '../../src/protocol/message.js';
import { metaOf } from './sample-meta.js';

const MiB = 1024 * 1024;
const MAX = 16 * MiB;
const STATE = 24 * MiB;

const meta = metaOf('a', 10);

async function* state(): AsyncIterable<Uint8Array> {
  const piece = new Uint8Array(MiB / 4);
  for (let at = 0; at < STATE; at += piece.length) yield piece;
}

async function stored(): Promise<[MemorySnapshots, SnapshotInfo]> {
  const store = new MemorySnapshots();
  await store.open({ cluster: 'test', server: 'a' });
  const writer = await store.create(meta);
  for await (const bytes of encodeSnapshot(meta, state())) await writer.write(bytes);
  return [store, await writer.finish()];
}

/** A peer that receives a snapshot. The test decides when the peer acknowledges bytes. */
interface Peer {
  readonly sender: SnapshotSender;
  sent: number;
  acknowledged: number;
}

describe('memory and store reads of snapshot transfers', () => {
  it('a leader has at most 16 MiB of chunks in flight and serves every peer', async () => {
    const [store, snapshot] = await stored();
    const clock = new VirtualClock();
    const window = new SnapshotWindow();
    const startPeer = (): Peer => {
      const sender = new SnapshotSender({
        stream: 1,
        snapshot,
        store,
        clock,
        answerTimeoutMs: 1e9,
        window,
        bytesPerSecond: () => Infinity,
        send: (body) => {
          if (body.kind === 'snapshotChunk') peer.sent = body.offset + body.data.length;
          return true;
        },
        onProgress: () => {},
        onStartedOver: () => expect.unreachable(),
        onTransferFailed: (error) => expect.unreachable(error.message),
      });
      const peer: Peer = { sender, sent: 0, acknowledged: 0 };
      sender.start();
      sender.onAcknowledged(0);
      return peer;
    };
    const peers = Array.from({ length: 4 }, startPeer);
    const acknowledge = (peer: Peer): void => peer.sender.onAcknowledged((peer.acknowledged = peer.sent));
    // After each acknowledgement, the sender can send more bytes.
    for (let i = 0; i < 8; i += 1) {
      await clock.settle();
      for (const peer of peers) acknowledge(peer);
    }
    await clock.settle();
    const held = (): number => peers.reduce((sum, { sent, acknowledged }) => sum + sent - acknowledged, 0);
    expect(held()).toBeGreaterThan(MAX - 4 * (MiB / 4));
    expect(held()).toBeLessThanOrEqual(MAX);
    // These peers start while other peers fill the window.
    peers.push(...Array.from({ length: 80 }, startPeer));
    await clock.settle();
    while (peers.some(({ acknowledged }) => acknowledged < snapshot.bytes)) {
      const before = peers.map(({ sent }) => sent);
      for (const peer of peers) {
        if (peer.acknowledged === peer.sent) continue;
        acknowledge(peer);
        if (peer.sent === snapshot.bytes) peer.sender.close();
      }
      await clock.settle();
      expect(held()).toBeLessThanOrEqual(MAX);
      if (peers.every(({ sent }, i) => sent === before[i] && sent === peers[i]?.acknowledged)) break;
    }
    expect(peers.filter(({ acknowledged }) => acknowledged < snapshot.bytes)).toEqual([]);
  });

  it('a receiver buffers at most 16 MiB of chunks, even if the sender sends more', async () => {
    const written: number[] = [];
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    class SlowSnapshots extends MemorySnapshots {
      override async create(): Promise<SnapshotWriter> {
        return {
          offset: 0,
          write: (bytes) => gate.then(() => void written.push(bytes.length)),
          sync: async () => {},
          finish: () => expect.unreachable(),
          abort: async () => {},
        };
      }
    }
    const clock = new VirtualClock();
    const receiver = new SnapshotReceiver({
      store: new SlowSnapshots(),
      clock,
      acknowledge: () => {},
      onReceived: () => expect.unreachable(),
      onProgress: () => {},
      onTransferFailed: (error) => expect.unreachable(error.message),
    });
    const from = { genesis: undefined, term: 2, incarnation: 1, stream: 1, to: 1 };
    receiver.onOffer('b', { kind: 'snapshotOffer', ...from, meta, bytes: 10 * MAX } as never);
    await clock.settle();
    const data = new Uint8Array(MAX_SNAPSHOT_CHUNK);
    for (let offset = 0; offset < 3 * MAX; offset += data.length)
      receiver.onChunk('b', { kind: 'snapshotChunk', ...from, id: meta.id, offset, data } as SnapshotChunk);
    go();
    await clock.settle();
    const held = written.reduce((sum, bytes) => sum + bytes, 0);
    expect(held).toBeGreaterThan(MAX - data.length);
    expect(held).toBeLessThanOrEqual(MAX);
  });

  it.each([64 * 1024, 1024 * 1024])('a sender resends few chunks over a link of %i bytes per second', async (rate) => {
    const [store, snapshot] = await stored();
    const clock = new VirtualClock();
    // A send queue of 8 MiB. When the queue is full, further chunks are dropped.
    const queue: { offset: number; length: number }[] = [];
    let queued = 0;
    let [carried, arrived] = [0, 0];
    let busy = false;
    const carryNext = (): void => {
      const [next] = queue;
      if (busy || next === undefined) return;
      busy = true;
      const timer = clock.timer(() => {
        timer.close();
        busy = false;
        queue.shift();
        queued -= next.length;
        carried += next.length;
        if (next.offset === arrived) sender.onAcknowledged((arrived += next.length));
        carryNext();
      });
      timer.set(clock.now() + (next.length / rate) * 1_000);
    };
    const sender: SnapshotSender = new SnapshotSender({
      stream: 1,
      snapshot,
      store,
      clock,
      answerTimeoutMs: 500,
      window: new SnapshotWindow(),
      bytesPerSecond: () => Infinity,
      send: (body) => {
        if (body.kind === 'snapshotOffer') clock.defer(() => sender.onAcknowledged(arrived));
        else if (queued + body.data.length <= 8 * MiB) {
          queue.push({ offset: body.offset, length: body.data.length });
          queued += body.data.length;
          carryNext();
        }
        return true;
      },
      onProgress: () => {},
      onStartedOver: () => {},
      onTransferFailed: (error) => expect.unreachable(error.message),
    });
    sender.start();
    await clock.until(() => arrived === snapshot.bytes, (2 * snapshot.bytes * 1_000) / rate);
    sender.close();
    expect(carried).toBeLessThan(1.5 * snapshot.bytes);
  });

  it('a slow transfer uses one reader of the store, which closes with the sender', async () => {
    const [store, snapshot] = await stored();
    const clock = new VirtualClock();
    let readers = 0;
    let started = 0;
    const read = store.read.bind(store);
    store.read = async function* (id, offset) {
      readers += 1;
      started += 1;
      try {
        yield* read(id, offset);
      } finally {
        readers -= 1;
      }
    };
    let sent = 0;
    const sender: SnapshotSender = new SnapshotSender({
      stream: 1,
      snapshot,
      store,
      clock,
      answerTimeoutMs: 500,
      window: new SnapshotWindow(),
      bytesPerSecond: () => 10 * 1024,
      send: (body) => {
        if (body.kind === 'snapshotChunk') sent = body.offset + body.data.length;
        clock.defer(() => sender.onAcknowledged(sent));
        return true;
      },
      onProgress: () => {},
      onStartedOver: () => {},
      onTransferFailed: (error) => expect.unreachable(error.message),
    });
    sender.start();
    await clock.elapse(120_000);
    expect(sent).toBeGreaterThan(900 * 1024);
    expect([readers, started]).toEqual([1, 1]);
    sender.close();
    await clock.settle();
    expect(readers).toBe(0);
  });
});
