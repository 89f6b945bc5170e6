// Shows how a state machine with a definition handles committed entries and snapshots, without a
// node.
import { defineStateMachine, Replica, type Codec, type Outcome } from '@kontiki/core';
import { Random, testStateMachine } from '@kontiki/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCommand, encodeRaise } from '../../src/machine/record.js';
import { bytes } from '../node/harness.js';
import { collect, counter, entries, stream } from './harness.js';

const apply = (replica: Replica, ...commands: Uint8Array[]): Outcome[] =>
  replica.apply({ entries: entries(...commands), through: commands.length + 1, time: 0 });

/** Returns the value of each result, or the code of its error. */
const shown = (outcomes: Outcome[]): unknown[] =>
  outcomes.map((outcome) => ('error' in outcome ? (outcome.error as { code?: unknown }).code : outcome.result));

testStateMachine(
  { describe, it, expect },
  {
    name: 'a defined counter',
    machine: () => new Replica(counter),
    commands: () => {
      const random = new Random(1);
      const replica = new Replica(counter);
      return Array.from({ length: 200 }, () => {
        const kind = random.below(6);
        if (kind === 0) return replica.encode('reset');
        if (kind === 1) return replica.encode('note', random.pick(['ä', '', '💧\ud800']));
        if (kind === 2) return replica.encode('set', String(random.below(9)));
        if (kind === 3) return bytes('no command');
        return replica.encode(kind === 4 ? 'take' : 'add', random.below(9));
      });
    },
    digest: ({ state }) => state,
  },
);

describe('Replica', () => {
  it('entries that are not valid commands of the version produce failed results', () => {
    const replica = new Replica(counter);
    const command = (name: string, input?: Uint8Array, version = 1): Uint8Array =>
      encodeCommand({ version, name, input });
    const outcomes = apply(
      replica,
      bytes('add'),
      new Uint8Array(0),
      replica.encode('add', 5),
      replica.encode('add', 5).subarray(0, 7),
      command('nope', bytes('1')),
      command('__proto__'),
      command('add', bytes('{')),
      command('add', new Uint8Array([34, 0xff, 34])),
      command('add', bytes('5'), 2),
      Uint8Array.of(...encodeRaise({ from: 1, to: 2 }), 0),
      encodeRaise({ from: 2, to: 3 }),
      encodeRaise({ from: 1, to: 1 }),
      replica.encode('add', 1),
    );
    expect(shown(outcomes)).toEqual([
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BAD_INPUT',
      5,
      'KONTIKI_BAD_INPUT',
      'KONTIKI_UNKNOWN_COMMAND',
      'KONTIKI_UNKNOWN_COMMAND',
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BEHAVIOR',
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BEHAVIOR',
      'KONTIKI_BEHAVIOR',
      6,
    ]);
  });

  it('bytes that are not a command produce failed results and change no state', () => {
    const replica = new Replica(counter);
    apply(replica, replica.encode('note', 'x'));
    const valid = replica.encode('note', 'y');
    const damaged = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 2, max: 255 })).map(([at, change]) => {
      // Truncate the input after the changed byte, because a change in the middle may produce
      // another valid input.
      return valid.with(at, (valid[at] as number) ^ change).subarray(0, at + 1);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), damaged), (data) => {
        // Skip inputs that may be valid: a raise of the version, and an input that ends in a digit.
        fc.pre(data[0] !== 0xc1 && !(data.length > 1 && /[0-9]/.test(String.fromCharCode(data.at(-1) as number))));
        expect(apply(replica, data)).toMatchObject([{ error: { code: expect.stringMatching(/^KONTIKI_/) } }]);
      }),
      { seed: 1 },
    );
    expect(replica.state).toEqual({ total: 0, notes: ['x'] });
  });

  it('a command that returns a promise stops the server with a clear error', () => {
    const late = defineStateMachine({
      initial: () => ({}),
      commands: { wait: () => Promise.reject(new Error('late')) },
    });
    const replica = new Replica(late);
    expect(() => apply(replica, replica.encode('wait'))).toThrow('Command wait returned a promise.');
  });

  it('a custom codec encodes and decodes the inputs', () => {
    const codec: Codec = { encode: (value) => bytes(`<${String(value)}>`), decode: (data) => data.length };
    const lengths = defineStateMachine({
      initial: () => [] as number[],
      commands: { add: (state, input: number | string) => state.push(Number(input)) },
      codec,
    });
    const replica = new Replica(lengths);
    apply(replica, replica.encode('add', 'four'));
    expect(replica.state).toEqual([6]);
    const faulty = defineStateMachine({
      initial: () => 0,
      commands: { add: () => 0 },
      codec: { ...codec, encode: () => 'text' as never },
    });
    expect(() => new Replica(faulty).encode('add', 1)).toThrow('The codec must return a Uint8Array.');
  });

  it('a validator that returns a promise is refused', () => {
    const validate = (): Promise<never> => Promise.reject(new Error('late'));
    const input = { '~standard': { version: 1, vendor: 'test', validate } } as const;
    const slow = new Replica(defineStateMachine({ initial: () => 0, commands: { set: { input, run: () => 0 } } }));
    expect(() => slow.encode('set', 1)).toThrow(/refused, and nothing was proposed. The validator returned a promise/);
  });

  it('the context of a command contains its index and term', () => {
    const replica = new Replica(counter);
    expect(apply(replica, replica.encode('set', '3'))).toMatchObject([{ result: { index: 2, term: 1 } }]);
  });
});

describe('snapshots of a Replica', () => {
  it('a snapshot contains the state as of its first chunk, despite later commands', async () => {
    const replica = new Replica(counter);
    apply(replica, replica.encode('note', 'before'), replica.encode('add', 1));
    const chunks = replica.snapshot();
    const head = await chunks.next();
    apply(replica, replica.encode('note', 'after'), replica.encode('add', 1));
    const copy = new Replica(counter);
    await copy.restore(stream([head.value as Uint8Array, ...(await collect(chunks))]));
    expect(copy.state).toEqual({ total: 1, notes: ['before'] });
    expect(replica.state).toEqual({ total: 2, notes: ['before', 'after'] });
  });

  it('a snapshot that arrives in pieces of any size is restored', async () => {
    const replica = new Replica(counter);
    apply(replica, replica.encode('note', 'ä'));
    const all = Buffer.concat(await collect(replica.snapshot()));
    for (const size of [1, 3, 7, 8, 9, all.length]) {
      const copy = new Replica(counter);
      const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
        all.subarray(i * size, (i + 1) * size),
      );
      await copy.restore(stream(pieces));
      expect(copy.state).toEqual(replica.state);
    }
  });

  it('after a snapshot without commands, the first command determines the version', async () => {
    const blank = new Replica(counter);
    const chunks = await collect(blank.snapshot());
    const used = new Replica(counter);
    apply(used, used.encode('add', 5));
    await used.restore(stream(chunks));
    expect(used.state).toEqual({ total: 0, notes: [] });
    expect(shown(apply(used, encodeRaise({ from: 1, to: 2 })))).toEqual(['KONTIKI_BEHAVIOR']);
  });

  it('a failed restore keeps the old state', async () => {
    const replica = new Replica(counter);
    apply(replica, replica.encode('add', 5));
    const [head, ...rest] = await collect(replica.snapshot());
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield head as Uint8Array;
      yield* rest;
      throw new Error('damaged');
    }
    const target = new Replica(counter);
    apply(target, target.encode('add', 7));
    await expect(target.restore(damaged())).rejects.toThrow('damaged');
    expect(target.state.total).toBe(7);
  });

  it.each([
    ['is too short', new Uint8Array(7)],
    ['has another format', bytes('another machine')],
  ])('a snapshot that %s is refused', async (_title, data) => {
    await expect(new Replica(counter).restore(stream([data]))).rejects.toMatchObject({ code: 'KONTIKI_FORMAT' });
  });

  it('a definition writes and reads a state that is not plain data', async () => {
    class Total {
      value = 0;
    }
    const total = defineStateMachine({
      initial: () => new Total(),
      commands: { add: (state, amount: number) => (state.value += amount) },
      snapshot: {
        write: async function* (state) {
          const { value } = state;
          yield bytes(`${value}`);
          yield bytes('!');
        },
        read: async (chunks) => {
          const text = Buffer.concat(await collect(chunks)).toString();
          return Object.assign(new Total(), { value: Number(text.replace('!', '')) });
        },
      },
    });
    const replica = new Replica(total);
    apply(replica, replica.encode('add', 12));
    const copy = new Replica(total);
    await copy.restore(stream(await collect(replica.snapshot())));
    expect(copy.state).toEqual(Object.assign(new Total(), { value: 12 }));
    expect(copy.state).toBeInstanceOf(Total);
  });

  it('abandoning a snapshot ends the generator that writes it', async () => {
    let ended = false;
    const machine = defineStateMachine({
      initial: () => new Date(0),
      commands: { touch: () => undefined },
      snapshot: {
        write: async function* () {
          try {
            yield bytes('a');
            yield bytes('b');
          } finally {
            ended = true;
          }
        },
        read: () => Promise.reject(new Error('unused')),
      },
    });
    const replica = new Replica(machine);
    apply(replica, replica.encode('touch'));
    const chunks = replica.snapshot();
    await chunks.next();
    await chunks.return(undefined);
    expect(ended).toBe(true);
  });

  it('a snapshot of a state that is not plain data fails and reports where', async () => {
    const dates = defineStateMachine({
      initial: () => ({ at: undefined as Date | undefined }),
      commands: { set: (state) => void (state.at = new Date(0)) },
    });
    const replica = new Replica(dates);
    apply(replica, replica.encode('set'));
    await expect(collect(replica.snapshot())).rejects.toThrow('The value at at is an instance of Date');
  });
});
