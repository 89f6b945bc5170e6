// Measures the cost of commands, batches and idle time. Counts messages, bytes, writes and
// wake-ups, because functional tests do not detect unnecessary work.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  MemoryLog,
  type Clock,
  type LogWrite,
  type Message,
  type RaftNode,
  type Timer,
  type Transport,
} from '@kontiki/core';
import { frameLength } from '@kontiki/core/wire';
import type { VirtualClock } from '@kontiki/testing';
import { Nodes } from './harness.js';

interface Sent {
  readonly from: string;
  readonly messages: readonly Message[];
}

/** A clock that counts how many timers and callbacks of one node have run. */
class CountingClock implements Clock {
  wakeUps = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  timer(fire: () => void): Timer {
    return this.#clock.timer(() => this.#wake(fire));
  }

  defer(callback: () => void): void {
    this.#clock.defer(() => this.#wake(callback));
  }

  soon(callback: () => void): void {
    queueMicrotask(() => this.#wake(callback));
  }

  #wake(callback: () => void): void {
    this.wakeUps += 1;
    callback();
  }
}

class CountingLog extends MemoryLog {
  writes: LogWrite[] = [];

  override append(write: LogWrite): Promise<void> {
    this.writes.push(write);
    return super.append(write);
  }
}

let nodes: Nodes;
let sent: Sent[] = [];
let leader: RaftNode<number>;
let clocks: Map<string, CountingClock>;

function counted(id: string, transport: Transport): Transport {
  return {
    start: (self, receive) => transport.start(self, receive),
    send: (to, messages) => {
      sent.push({ from: id, messages });
      transport.send(to, messages);
    },
    setPeers: (peers) => transport.setPeers(peers),
    close: () => transport.close(),
  };
}

const logOf = (id: string): CountingLog => nodes.logs.get(id) as CountingLog;

beforeEach(async () => {
  nodes = new Nodes();
  const ids = ['a', 'b', 'c'];
  for (const id of ids) nodes.logs.set(id, new CountingLog());
  await nodes.bootstrap(...ids);
  clocks = new Map(ids.map((id) => [id, new CountingClock(nodes.clock)]));
  for (const id of ids) {
    await nodes.open(id, { transport: counted(id, nodes.network.transport()), clock: clocks.get(id) });
  }
  await nodes.clock.until(() => nodes.leader?.status().applied === 2);
  leader = nodes.leader as RaftNode<number>;
  // Start shortly after a heartbeat, so that the counts include no heartbeat.
  const before = sent.length;
  await nodes.clock.until(() => sent.slice(before).some(({ messages }) => messages[0]?.kind === 'heartbeat'));
  await nodes.clock.elapse(10);
  sent = [];
  for (const id of ids) logOf(id).writes = [];
});
afterEach(() => nodes.close());

async function propose(count: number): Promise<void> {
  const data = new Uint8Array(256);
  const results = Promise.all(Array.from({ length: count }, () => leader.propose(data)));
  await nodes.clock.elapse(20);
  await results;
}

const kinds = (from: (id: string) => boolean): string[] =>
  sent.filter(({ from: id }) => from(id)).flatMap(({ messages }) => messages.map(({ kind }) => kind));
const isLeader = (id: string): boolean => id === leader.id;

describe('number of messages, writes and wake-ups in a cluster', () => {
  it('a command costs two messages to each follower and one reply from it', async () => {
    await propose(1);
    expect(kinds(isLeader)).toEqual(['append', 'append', 'commit', 'commit']);
    expect(kinds((id) => !isLeader(id))).toEqual(['appendAccepted', 'appendAccepted']);
  });

  it('256 queued commands need only the writes and messages of a single command', async () => {
    await propose(256);
    expect(kinds(isLeader)).toEqual(['append', 'append', 'commit', 'commit']);
    expect(kinds((id) => !isLeader(id))).toEqual(['appendAccepted', 'appendAccepted']);
    for (const id of ['a', 'b', 'c']) expect(logOf(id).writes.map(({ entries }) => entries?.length)).toEqual([256]);
    const bytes = (from: (id: string) => boolean): number =>
      sent.filter(({ from: id }) => from(id)).reduce((sum, { messages }) => sum + frameLength(messages), 0);
    // Each command is sent once to each follower, with a header. One reply acknowledges all
    // commands.
    expect(bytes(isLeader)).toBeLessThan(2 * 256 * (256 + 24));
    expect(bytes((id) => !isLeader(id))).toBeLessThan(256);
  });

  it('appends to different followers share one array of entries', async () => {
    await propose(64);
    const [one, other] = sent.flatMap(({ messages }) =>
      messages.flatMap((message) => (message.kind === 'append' ? [message.entries] : [])),
    );
    expect(one).toBe(other);
  });

  it('a leader sends each entry exactly once to each follower', async () => {
    await propose(64);
    await propose(1);
    const entries = (from: (id: string) => boolean): number =>
      sent
        .filter(({ from: id }) => from(id))
        .flatMap(({ messages }) => messages)
        .reduce((sum, message) => sum + (message.kind === 'append' ? message.entries.length : 0), 0);
    expect(entries(isLeader)).toBe(2 * 65);
    expect(entries((id) => !isLeader(id))).toBe(0);
  });

  it('an idle cluster sends only heartbeats and replies, and wakes up only for them', async () => {
    const before = sent.length;
    for (const clock of clocks.values()) clock.wakeUps = 0;
    await nodes.clock.elapse(10_000);
    // Each follower receives twenty heartbeats per second and sends as many replies.
    expect(sent.length - before).toBeLessThanOrEqual(4 * 201);
    for (const [id, { wakeUps }] of clocks) {
      // A follower wakes up for each heartbeat. A leader wakes up to send heartbeats and to process
      // each reply.
      expect(wakeUps).toBeLessThanOrEqual(isLeader(id) ? 3 * 201 : 201);
      expect(wakeUps).toBeGreaterThanOrEqual(199);
    }
  });

  it('a blank server wakes up only for its election timer', async () => {
    const clock = new CountingClock(nodes.clock);
    await nodes.open('d', { clock });
    await nodes.clock.elapse(10_000);
    // The election timeout is between 200 and 400 ms, and starting the node takes one more wake-up.
    expect(clock.wakeUps).toBeLessThanOrEqual(50 + 1);
  });
});
