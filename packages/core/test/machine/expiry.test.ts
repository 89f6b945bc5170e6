// Shows how the state of a defined state machine changes when log time passes, without commands.
import { defineStateMachine, Replica, type CommandEntry, type Definition } from '@kontiki/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TypedNodes } from './harness.js';

interface State {
  locks: Map<string, number>;
  /** Each lock that has ended and the log time at which it ended, as `name@time`. */
  ended: string[];
}

/** A machine that makes each lock end after a time to live, and records when it ended. */
const locks = defineStateMachine({
  initial: (): State => ({ locks: new Map(), ended: [] }),
  commands: {
    lock: (state, { name, ttl }: { name: string; ttl: number }, { time }) => {
      state.locks.set(name, time + ttl);
      return state.ended.length;
    },
  },
  queries: { names: (state) => [...state.locks.keys()], ended: (state) => state.ended },
  expiry: {
    next: ({ locks: held }) => (held.size === 0 ? undefined : Math.min(...held.values())),
    expire: ({ locks: held, ended }, time) => {
      for (const [name, until] of held) {
        if (until > time) continue;
        held.delete(name);
        ended.push(`${name}@${time}`);
      }
    },
  },
});

function entriesOf(replica: Replica, commands: readonly { name: string; ttl: number; time: number }[]): CommandEntry[] {
  return commands.map(({ name, ttl, time }, i) => {
    const data = replica.encode('lock', { name, ttl });
    return { kind: 'command', index: i + 2, term: 1, time, data };
  });
}

describe('the option expiry', () => {
  it('a change that is due is made before the next command is applied', () => {
    const replica = new Replica(locks);
    const entries = entriesOf(replica, [
      { name: 'a', ttl: 10, time: 100 },
      { name: 'b', ttl: 10, time: 109 },
      { name: 'c', ttl: 10, time: 110 },
    ]);
    const outcomes = replica.apply({ entries, through: 4, time: 110 });
    expect(outcomes).toEqual([{ result: 0 }, { result: 0 }, { result: 1 }]);
    expect(replica.state).toEqual({ locks: new Map([['b', 119], ['c', 120]]), ended: ['a@110'] }); // prettier-ignore
    expect(replica.nextExpiry).toBe(119);
  });

  it('a batch without commands makes the changes that are due at its log time', () => {
    const replica = new Replica(locks);
    replica.apply({ entries: entriesOf(replica, [{ name: 'a', ttl: 10, time: 100 }]), through: 2, time: 100 });
    replica.apply({ entries: [], through: 3, time: 109 });
    expect(replica.state).toMatchObject({ ended: [] });
    replica.apply({ entries: [], through: 4, time: 500 });
    expect(replica.state).toEqual({ locks: new Map(), ended: ['a@110'] });
    expect(replica.nextExpiry).toBeUndefined();
  });

  it('the state does not depend on the batches into which a server divides the log', () => {
    const command = fc.record({ name: fc.constantFrom('a', 'b', 'c'), ttl: fc.nat(40), wait: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(fc.tuple(command, fc.boolean())), (steps) => {
        const [whole, divided] = [new Replica(locks), new Replica(locks)];
        let time = 0;
        const commands = steps.map(([{ name, ttl, wait }]) => ({ name, ttl, time: (time += wait) }));
        const entries = entriesOf(whole, commands);
        const all = whole.apply({ entries, through: entries.length + 1, time });
        let batch: CommandEntry[] = [];
        const results = entries.flatMap((entry, i) => {
          batch.push(entry);
          if (steps[i]?.[1] === true && i < entries.length - 1) return [];
          const applied = divided.apply({ entries: batch, through: entry.index, time: entry.time as number });
          batch = [];
          return applied;
        });
        expect(results).toEqual(all);
        expect(divided.state).toEqual(whole.state);
      }),
      { seed: 1 },
    );
  });

  it('an expiry.next that does not return a later time makes apply throw', () => {
    const endless = defineStateMachine({
      initial: () => ({ until: 5 }),
      commands: { touch: () => {} },
      expiry: { next: ({ until }) => until, expire: () => {} },
    });
    const replica = new Replica(endless);
    const entry: CommandEntry = { kind: 'command', index: 2, term: 1, time: 4, data: replica.encode('touch') };
    expect(() => replica.apply({ entries: [entry], through: 2, time: 5 })).toThrow(
      'After the state expired at 5, expiry.next returned 5, which is not later.',
    );
  });

  it('a lock ends on every server of an idle cluster', async () => {
    const nodes = new TypedNodes<Definition & typeof locks>();
    const leader = await nodes.cluster(locks as never, 'a', 'b', 'c');
    await nodes.run(leader.execute('lock', { name: 'x', ttl: 5_000 }));
    await nodes.below.clock.elapse(4_500);
    const others = [...nodes.nodes.values()];
    for (const node of others)
      expect((await node.query('names', undefined, { consistency: 'local' })).result).toEqual(['x']);
    await nodes.below.clock.elapse(1_000);
    for (const node of others)
      expect((await node.query('names', undefined, { consistency: 'local' })).result).toEqual([]);
    await nodes.close();
  });

  it('a lock from a snapshot ends after a restart of its server', async () => {
    const nodes = new TypedNodes<Definition & typeof locks>();
    const leader = await nodes.cluster(locks as never, 'a');
    await nodes.run(leader.execute('lock', { name: 'x', ttl: 5_000 }));
    await nodes.run(leader.raft.snapshot());
    await nodes.stop('a');
    const again = await nodes.open('a', locks as never);
    await nodes.leader();
    await nodes.below.clock.elapse(6_000);
    expect((await again.query('names', undefined, { consistency: 'local' })).result).toEqual([]);
    await nodes.close();
  });
});
