import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryLog, type LogWrite, type Message, type RaftNode, type Timer, type Transport } from '@kontiki/core';
import { frameLength } from '@kontiki/core/wire';
import { VirtualClock } from '@kontiki/testing';
import { Nodes } from './harness.js';

/** What work costs, counted: a batch that falls apart, or a message too many, shows here and in no test of behaviour. */
interface Sent {
  readonly from: string;
  readonly messages: readonly Message[];
}

class CountingClock extends VirtualClock {
  wakeUps = 0;

  override timer(fire: () => void): Timer {
    return super.timer(() => {
      this.wakeUps += 1;
      fire();
    });
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
  for (const id of ids) await nodes.open(id, { transport: counted(id, nodes.network.transport()) });
  await nodes.clock.until(() => nodes.leader?.status().applied === 2);
  leader = nodes.leader as RaftNode<number>;
  // Between two heartbeats: none is counted.
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
  sent.filter((one) => from(one.from)).flatMap(({ messages }) => messages.map(({ kind }) => kind));
const isLeader = (id: string): boolean => id === leader.id;

describe('a cluster of three', () => {
  it('commits one command with two messages to each follower and one back', async () => {
    await propose(1);
    expect(kinds(isLeader)).toEqual(['append', 'append', 'commit', 'commit']);
    expect(kinds((id) => !isLeader(id))).toEqual(['appendAccepted', 'appendAccepted']);
  });

  it('commits 256 that wait with the same messages, one write a server, and no byte twice', async () => {
    await propose(256);
    expect(kinds(isLeader)).toEqual(['append', 'append', 'commit', 'commit']);
    expect(kinds((id) => !isLeader(id))).toEqual(['appendAccepted', 'appendAccepted']);
    for (const id of ['a', 'b', 'c']) expect(logOf(id).writes.map(({ entries }) => entries?.length)).toEqual([256]);
    const bytes = sent
      .filter(({ from }) => isLeader(from))
      .reduce((sum, { messages }) => sum + frameLength(messages), 0);
    expect(bytes).toBeLessThan(2 * 256 * (256 + 16));
  });

  it('the same entries go to both followers, so that they can be encoded once', async () => {
    await propose(64);
    const [one, other] = sent.flatMap(({ messages }) =>
      messages.flatMap((message) => (message.kind === 'append' ? [message.entries] : [])),
    );
    expect(one).toBe(other);
  });

  it('has little to do when there is nothing to do', async () => {
    const clock = new CountingClock();
    await nodes.open('d', { clock });
    await clock.elapse(10_000);
    // A blank server looks at its election timer, drawn from 200 to 400 ms, and at nothing else.
    expect(clock.wakeUps).toBeLessThanOrEqual(50);
    const before = sent.length;
    await nodes.clock.elapse(1_000);
    // Twenty heartbeats to each follower, and their answers.
    expect(sent.length - before).toBeLessThanOrEqual(4 * 21);
  });
});
