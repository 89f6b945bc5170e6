// Shows the three rules of a turn. A message that acknowledges a write waits for this write. A
// finished write also finishes all earlier writes. A late turn does not check its timers; the next
// turn does. The fast worlds (simulations of the protocol alone) and their mutants test the same
// rules under faults.
import { membershipOf, type Message } from '@kontiki/core';
import { defaultLimits, defaultTimings, RawNode, type Mail, type TurnHooks } from '@kontiki/core/protocol';
import { beforeEach, describe, expect, it } from 'vitest';

const membership = membershipOf(['a', 'b', 'c'].map((id) => [id, { address: id, metadata: '' }]));

function append(index: number, count: number, prevTerm: number): Message {
  const entries = Array.from({ length: count }, (_, i) => ({
    kind: 'command' as const,
    index: index + i,
    term: 1,
    data: new Uint8Array([i]),
  }));
  return {
    kind: 'append',
    term: 1,
    incarnation: 9,
    to: 1,
    stream: 1,
    round: 0,
    prevIndex: index - 1,
    prevTerm,
    entries,
    commit: 1,
  } as unknown as Message;
}

describe('RawNode', () => {
  let node: RawNode;

  beforeEach(() => {
    node = new RawNode({
      id: 'a',
      incarnation: 1,
      timings: defaultTimings,
      limits: defaultLimits,
      random: () => 0,
      now: 0,
      log: {
        ballot: { term: 1, votedFor: undefined },
        base: { index: 0, term: 0, membership: undefined },
        last: 1,
        terms: [{ index: 1, term: 1 }],
        memberships: [{ index: 1, membership }],
        committed: 1,
      },
      applied: 0,
    });
  });

  /** Returns the kinds of the messages to server `b`. */
  function kinds(mail: readonly Mail[]): string[] {
    return mail.flatMap((some) => [...(some.get('b') ?? [])].map(({ kind }) => kind));
  }

  function electionDue(): number {
    return node.turn(0).wakeAt;
  }

  it('a message has no effect until the next turn', () => {
    node.receive('b', append(2, 1, 1));
    expect(node.raft.log.lastIndex).toBe(1);
    node.turn(0);
    expect(node.raft.log.lastIndex).toBe(2);
  });

  it('an acknowledgement is sent only after its write is durable', () => {
    node.receive('b', append(2, 1, 1));
    const { mail, write } = node.turn(0);
    expect(write?.entries).toHaveLength(1);
    expect(kinds(mail)).toEqual([]);
    expect(kinds(node.turn(1).mail)).toEqual([]);
    node.written(write?.number ?? 0);
    expect(kinds(node.turn(2).mail)).toEqual(['appendAccepted']);
  });

  it('a finished write also finishes every earlier write', () => {
    node.receive('b', append(2, 1, 1));
    node.turn(0);
    node.receive('b', append(3, 1, 1));
    const second = node.turn(1).write;
    node.written(second?.number ?? 0);
    expect(kinds(node.turn(2).mail)).toEqual(['appendAccepted', 'appendAccepted']);
  });

  it('a turn on time campaigns when the election timeout has passed', () => {
    node.turn(electionDue());
    expect(node.raft.role).toBe('preCandidate');
  });

  it('a late turn postpones its timers to the next turn, which ignores the delay', () => {
    const late = electionDue() + defaultTimings.heartbeat + 1;
    const turn = node.turn(late);
    expect([turn.needsAnotherTurn, turn.wakeAt, node.raft.role]).toEqual([true, Infinity, 'follower']);
    expect(node.turn(late + 1).reports).toEqual([{ kind: 'lateTimerForgiven' }]);
    expect(node.raft.role).toBe('follower');
  });

  it('two late turns in a row do not postpone the timers twice', () => {
    const late = electionDue() + defaultTimings.heartbeat + 1;
    node.turn(late);
    expect(node.turn(late + 60_000).reports).toEqual([{ kind: 'lateTimerForgiven' }]);
  });

  it('a late turn processes messages before it checks timers', () => {
    const late = electionDue() + defaultTimings.heartbeat + 1;
    node.receive('b', append(2, 1, 1));
    node.turn(late);
    node.turn(late + 1);
    expect([node.raft.role, node.raft.leader]).toEqual(['follower', 'b']);
  });

  it.each(['onTime', 'late'] as const)('a turn with timers: %s replaces a postponed timer check', (timers) => {
    const late = electionDue() + defaultTimings.heartbeat + 1;
    node.turn(late);
    const hooks: TurnHooks = { timers };
    const { needsAnotherTurn, wakeAt } = node.turn(late + 1, hooks);
    expect(needsAnotherTurn).toBe(false);
    expect(wakeAt).toBeGreaterThan(late);
    expect(node.raft.role).toBe(timers === 'late' ? 'follower' : 'preCandidate');
  });

  it('a turn with timers: skip never checks its timers', () => {
    const due = electionDue();
    node.turn(due, { timers: 'skip' });
    expect(node.raft.role).toBe('follower');
  });
});
