// Shows that a leader appends each forwarded command at most once, even if the network duplicates
// or delays messages. Also shows that a refused command is never appended.
import { membershipOf } from '@kontiki/core';
import type { ProposeReply } from '@kontiki/core/protocol';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Returns a scenario in which server `a` leads and has already received replies from `b` and `c`.
 */
function led(options: ConstructorParameters<typeof Scenario>[1] = {}): Scenario {
  const cluster = new Scenario(['a', 'b', 'c'], { stores: true, ...options });
  cluster.elect('a');
  cluster.settle();
  return cluster;
}

/** Forwards commands from a server to the server that it considers the leader. */
function forward(cluster: Scenario, from: string, ...texts: string[]): number {
  return cluster.feed(from, (raft) => raft.forwarded.send(texts.map((text) => encoder.encode(text))));
}

/** Transfers the leadership to a server, unless the server already leads. */
function handOver(cluster: Scenario, to: string): void {
  const [leader = ''] = cluster.leaders;
  if (leader !== to) cluster.feed(leader, (raft) => raft.transfer(to));
  cluster.settle();
  expect(cluster.leaders).toEqual([to]);
}

/** Returns the commands on a server's disk. */
function commands(cluster: Scenario, id: string): string[] {
  return cluster
    .server(id)
    .disk.entries.flatMap((entry) => (entry.kind === 'command' ? [decoder.decode(entry.data)] : []));
}

/**
 * Returns the answers to forwarded proposals that have been sent so far, without the sender's
 * header.
 */
function answers(cluster: Scenario): object[] {
  const replies = cluster.sent.flatMap(({ message }) => (message.kind === 'proposeReply' ? [message] : []));
  return replies.map(({ term, ticket, accepted, index, refused }: ProposeReply) => ({
    term,
    ticket,
    accepted,
    index,
    refused,
  }));
}

const PROPOSE = { kind: 'propose' } as const;

describe('forwarded proposals', () => {
  it('a leader appends forwarded commands in order and answers with the first position', () => {
    const cluster = led();
    const [term, last] = [cluster.raft('a').ballot.term, cluster.raft('a').log.lastIndex];
    const first = forward(cluster, 'b', 'x', 'y');
    const second = forward(cluster, 'b', 'z');
    cluster.settle();
    expect(commands(cluster, 'c')).toEqual(['x', 'y', 'z']);
    expect(answers(cluster)).toEqual([
      { term, ticket: first, accepted: 2, index: last + 1, refused: undefined },
      { term, ticket: second, accepted: 1, index: last + 3, refused: undefined },
    ]);
  });

  it('a forwarded message that arrives twice is appended and answered only once', () => {
    const cluster = led();
    forward(cluster, 'b', 'x');
    cluster.duplicate(PROPOSE);
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual(['x']);
    expect(answers(cluster)).toHaveLength(1);
  });

  it('a message that arrives after a later message is neither appended nor refused', () => {
    const cluster = led();
    forward(cluster, 'b', 'x');
    const overtaken = cluster.hold(PROPOSE);
    forward(cluster, 'b', 'y');
    cluster.settle();
    cluster.release(overtaken);
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual(['y']);
    expect(answers(cluster)).toHaveLength(1);
  });

  it('a former leader refuses a new message of its term exactly once', () => {
    const cluster = led();
    const ticket = forward(cluster, 'c', 'x');
    const late = cluster.hold(PROPOSE);
    handOver(cluster, 'b');
    const { term } = cluster.raft('a').ballot;
    for (const envelopes of [late, late]) {
      cluster.release(envelopes);
      cluster.settle();
    }
    expect(answers(cluster)).toEqual([{ term, ticket, accepted: 0, index: 0, refused: 'notLeader' }]);
  });

  it('a former leader does not refuse a message whose commands it has appended', () => {
    const cluster = led();
    forward(cluster, 'c', 'x');
    const repeated = [...cluster.underWay];
    cluster.settle();
    handOver(cluster, 'b');
    cluster.release(repeated);
    cluster.settle();
    expect(answers(cluster)).toHaveLength(1);
    expect(commands(cluster, 'b')).toEqual(['x']);
  });

  it('a restarted leader drops messages of terms that an earlier process may have led', () => {
    const cluster = led();
    forward(cluster, 'c', 'x');
    const repeated = cluster.underWay.filter(({ message }) => message.kind === 'propose');
    cluster.settle();
    cluster.start('a');
    cluster.release(repeated);
    cluster.settle();
    expect(answers(cluster)).toHaveLength(1);
    cluster.elapse(2 * cluster.timings.election);
    handOver(cluster, 'a');
    cluster.release(repeated);
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual(['x']);
  });

  it('messages from an earlier start of the sender are dropped', () => {
    const cluster = led();
    forward(cluster, 'c', 'x');
    const repeated = cluster.underWay.filter(({ message }) => message.kind === 'propose');
    cluster.settle();
    cluster.start('c');
    cluster.elapse(2 * cluster.timings.heartbeat);
    forward(cluster, 'c', 'y');
    cluster.settle();
    cluster.release(repeated);
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual(['x', 'y']);
    expect(answers(cluster)).toHaveLength(2);
  });

  it('a message from an earlier disk of the sender is not appended again', () => {
    const cluster = led();
    forward(cluster, 'c', 'x');
    const repeated = cluster.underWay.filter(({ message }) => message.kind === 'propose');
    cluster.settle();
    cluster.wipe('c');
    cluster.start('c');
    cluster.elapse(2 * cluster.timings.heartbeat);
    cluster.settle();
    forward(cluster, 'c', 'y');
    cluster.settle();
    cluster.release(repeated);
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual(['x', 'y']);
  });

  it('a leader reports how many commands it appended and why it refused the rest', () => {
    const cluster = led({ limits: { uncommittedBytes: 200 } });
    const last = cluster.raft('a').log.lastIndex;
    forward(cluster, 'b', 'x'.repeat(100), 'y'.repeat(100), 'z');
    cluster.deliver(PROPOSE);
    expect(answers(cluster)).toMatchObject([{ accepted: 1, index: last + 1, refused: 'overloaded' }]);
    cluster.settle();
    expect(commands(cluster, 'a')).toHaveLength(1);
  });

  it('a leader refuses forwarded commands during a transfer', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    forward(cluster, 'c', 'x');
    cluster.deliver(PROPOSE);
    expect(answers(cluster)).toMatchObject([{ accepted: 0, refused: 'transferring' }]);
  });

  it('commands from a server that is not a member are ignored', () => {
    const cluster = led();
    cluster.forge('d', 'a', {
      kind: 'propose',
      term: cluster.raft('a').ballot.term,
      incarnation: 9,
      store: 77,
      starts: 1,
      ticket: 1,
      commands: [encoder.encode('x')],
    });
    cluster.settle();
    expect(commands(cluster, 'a')).toEqual([]);
    expect(answers(cluster)).toEqual([]);
  });

  it('answers that wait for the same write do not replace each other', () => {
    const cluster = led();
    // The new term of server `a` is not durable yet, so `a` holds back its refusals.
    forward(cluster, 'c', 'x');
    forward(cluster, 'c', 'y');
    const late = cluster.hold(PROPOSE);
    cluster.stall('a');
    cluster.raiseTerm('a', cluster.raft('a').ballot.term + 5);
    cluster.release(late);
    cluster.deliver(PROPOSE);
    cluster.unstall('a');
    cluster.settle();
    expect(answers(cluster)).toHaveLength(2);
  });
});

describe('canForward', () => {
  const canForward = (cluster: Scenario, id: string): boolean => cluster.raft(id).forwarded.canForward;

  it('a server can forward only if it knows that another server leads', () => {
    const cluster = led();
    expect(['a', 'b', 'c'].map((id) => canForward(cluster, id))).toEqual([false, true, true]);
    cluster.start('b');
    expect(canForward(cluster, 'b')).toBe(false);
  });

  it('a server at level 0 cannot forward, because older servers would not answer', () => {
    const servers = ['a', 'b', 'c'].map((id) => [id, { address: `memory:${id}`, metadata: '' }] as const);
    expect(canForward(led({ membership: membershipOf(servers, [], 0) }), 'b')).toBe(false);
  });

  it('a server whose store has no identity cannot forward', () => {
    expect(canForward(led({ stores: false }), 'b')).toBe(false);
  });
});
