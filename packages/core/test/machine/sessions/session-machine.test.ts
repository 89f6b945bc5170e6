// Shows that a state machine with sessions applies each command once and repeats its result, when
// sessions end, and that batches and snapshots do not change the outcome.
import { commandOf, isKontikiError, KontikiError, type CommandEntry, type StateMachine } from '@kontiki/core';
import { Writer } from '@kontiki/core/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CALL_HEAD,
  encodeOpen,
  plainRecord,
  writeCallHead,
  type SessionLimits,
} from '../../../src/machine/sessions/record.js';
import { SessionMachine } from '../../../src/machine/sessions/session-machine.js';
import { collect, stream } from '../harness.js';

const limits: SessionLimits = { ttl: 1_000, sessions: 3, resultBytes: 1_000 };

/** A state machine that stores the first byte of each command. A result is the number of commands. */
class Journal implements StateMachine<unknown> {
  readonly applied: number[] = [];
  /** Returns the result of a command. */
  resultOf: (count: number) => unknown = (count) => count;

  apply({ entries }: { entries: readonly CommandEntry[] }): unknown[] {
    return entries.map(({ data }) => this.resultOf(this.applied.push(data[0] as number)));
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.from(this.applied);
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.applied.splice(0);
    for (const chunk of await collect(chunks)) this.applied.push(...chunk);
  }
}

function open(session: number, given: Partial<SessionLimits> = {}): Uint8Array {
  return encodeOpen({ session, limits: { ...limits, ...given } });
}

function call(session: number, sequence: number, byte: number, settled = 0): Uint8Array {
  const record = new Uint8Array(CALL_HEAD + 1).fill(byte, CALL_HEAD);
  writeCallHead(record, session, sequence, settled);
  return record;
}

/** A machine with sessions, to which commands are applied at increasing indices. */
class Server {
  readonly journal = new Journal();
  readonly machine = new SessionMachine<unknown>(this.journal);
  #index = 0;

  /** Applies commands in one batch at a log time (null: none). Returns results or codes of errors. */
  apply(commands: readonly Uint8Array[], given: number | null = 0): unknown[] {
    const time = given ?? undefined;
    const entries = commands.map((data): CommandEntry => {
      return { kind: 'command', index: (this.#index += 1), term: 1, time, data };
    });
    const results = this.machine.apply({ entries, through: this.#index, time: time ?? 0 }) as unknown[];
    return results.map((result) => {
      const { error } = (result ?? {}) as { error?: unknown };
      return isKontikiError(error) ? error.code : result;
    });
  }

  snapshot(): Promise<Uint8Array[]> {
    return collect(this.machine.snapshot?.() as AsyncIterable<Uint8Array>);
  }
}

describe('SessionMachine', () => {
  it('a command is applied once, and its retries get the first result', () => {
    const server = new Server();
    server.apply([open(7)]);
    expect(server.apply([call(7, 1, 65), call(7, 1, 65)])).toEqual([1, 1]);
    expect(server.apply([call(7, 2, 66), call(7, 1, 65), call(7, 2, 66)])).toEqual([2, 1, 2]);
    expect(server.journal.applied).toEqual([65, 66]);
  });

  it('a command without a session is applied each time, and gets its own result', () => {
    const server = new Server();
    expect(server.apply([Uint8Array.of(1), Uint8Array.of(1)])).toEqual([1, 2]);
  });

  it('a command without a session may begin with the byte of a session record', () => {
    const server = new Server();
    for (const byte of [0xf8, 0xf9, 0xfa]) {
      const record = new Uint8Array(CALL_HEAD + 2).fill(byte, CALL_HEAD);
      server.apply([plainRecord(record)]);
    }
    expect(server.journal.applied).toEqual([0xf8, 0xf9, 0xfa]);
  });

  it('an entry without a log time is a command, whatever its first byte is', () => {
    const server = new Server();
    server.apply([Uint8Array.of(0xf9, 1), Uint8Array.of(0xfa)], null);
    expect(server.journal.applied).toEqual([0xf9, 0xfa]);
  });

  it('a machine that returns too few results is refused', () => {
    const machine = new SessionMachine<unknown>({ apply: () => [] });
    const entries: CommandEntry[] = [{ kind: 'command', index: 1, term: 1, time: 0, data: Uint8Array.of(1) }];
    expect(() => machine.apply({ entries, through: 1, time: 0 })).toThrow(/0 results for 1 commands/);
  });

  it('a command of an unknown session is not applied', () => {
    const server = new Server();
    expect(server.apply([call(7, 1, 65)])).toEqual(['KONTIKI_SESSION']);
    expect(server.journal.applied).toEqual([]);
  });

  it('a session ends when it was not used for its time to live', () => {
    const server = new Server();
    server.apply([open(7)], 0);
    expect(server.apply([call(7, 1, 65)], 1_000)).toEqual([1]);
    expect(server.apply([call(7, 2, 66)], 2_000)).toEqual([2]);
    expect(server.apply([call(7, 3, 67)], 3_001)).toEqual(['KONTIKI_SESSION']);
    expect(server.journal.applied).toEqual([65, 66]);
  });

  it('a session beyond the limit ends the least recently used one', () => {
    const server = new Server();
    server.apply([open(1), open(2), open(3), call(1, 1, 65)]);
    server.apply([open(4)]);
    expect(server.apply([call(1, 2, 66), call(2, 1, 67), call(3, 1, 68), call(4, 1, 69)])).toEqual([
      2,
      'KONTIKI_SESSION',
      3,
      4,
    ]);
  });

  it('a number that is taken cannot be opened again', () => {
    const server = new Server();
    expect(server.apply([open(7), open(7)])).toEqual([undefined, 'KONTIKI_BAD_INPUT']);
  });

  it('a settled command, or one too far ahead, is not applied', () => {
    const server = new Server();
    server.apply([open(7)]);
    server.apply([call(7, 1, 65), call(7, 3, 66, 2)]);
    expect(server.apply([call(7, 2, 67), call(7, 1, 65), call(7, 2_000, 68)])).toEqual([
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BAD_INPUT',
      'KONTIKI_BAD_INPUT',
    ]);
    expect(server.journal.applied).toEqual([65, 66]);
  });

  it('a retry reports that the result was too large or cannot be encoded', () => {
    const server = new Server();
    server.apply([open(7)]);
    server.journal.resultOf = (count) => (count === 1 ? 'x'.repeat(2_000) : new Date(0));
    expect(server.apply([call(7, 1, 65), call(7, 2, 66)])).toEqual(['x'.repeat(2_000), new Date(0)]);
    expect(server.apply([call(7, 1, 65), call(7, 2, 66)])).toEqual(['KONTIKI_RESULT_LOST', 'KONTIKI_RESULT_LOST']);
    expect(server.journal.applied).toEqual([65, 66]);
  });

  it('settling commands makes room for results', () => {
    const server = new Server();
    server.apply([open(7)]);
    server.journal.resultOf = () => 'x'.repeat(400);
    server.apply([call(7, 1, 65), call(7, 2, 66)]);
    expect(server.apply([call(7, 3, 67, 2), call(7, 3, 67, 2)])).toEqual(['x'.repeat(400), 'x'.repeat(400)]);
  });

  it('a retry whose result can no longer be decoded reports this and stops no server', () => {
    const results = {
      encode: () => 'x',
      decode: () => {
        throw new Error('another codec');
      },
    };
    const machine = new SessionMachine<unknown>(new Journal(), results);
    const entries = [open(7), call(7, 1, 65), call(7, 1, 65)].map((data, i): CommandEntry => {
      return { kind: 'command', index: i + 1, term: 1, time: 0, data };
    });
    const [, , repeated] = machine.apply({ entries, through: 3, time: 0 }) as readonly { error?: unknown }[];
    expect(repeated?.error).toMatchObject({ code: 'KONTIKI_RESULT_LOST' });
  });

  it('an invalid session record is refused', () => {
    const server = new Server();
    const short = call(7, 1, 65).subarray(0, 20);
    expect(server.apply([short, call(7, 3, 65, 3)])).toEqual(['KONTIKI_BAD_INPUT', 'KONTIKI_BAD_INPUT']);
  });

  it('sessions and results are in the snapshot', async () => {
    const server = new Server();
    server.apply([open(7), call(7, 1, 65)], 500);
    const restored = new Server();
    await restored.machine.restore(stream(await server.snapshot()), { index: 2, term: 1, time: 500, version: 1 });
    expect(restored.apply([call(7, 1, 65), call(7, 2, 66)], 1_400)).toEqual([1, 2]);
    expect(restored.apply([call(7, 3, 67)], 2_401)).toEqual(['KONTIKI_SESSION']);
  });

  it('a snapshot before the first session is one of the machine alone', async () => {
    const server = new Server();
    server.apply([Uint8Array.of(65)], null);
    expect(await server.snapshot()).toEqual([Uint8Array.of(65)]);
  });

  it('commandOf returns the command of a session, of no session, and undefined for a new session', () => {
    const plain = new Uint8Array(CALL_HEAD + 1).fill(0xf9, CALL_HEAD);
    const commands = [call(7, 1, 65), Uint8Array.of(66), plainRecord(plain), open(7)].map((data) => commandOf(data));
    expect(commands).toEqual([Uint8Array.of(65), Uint8Array.of(66), Uint8Array.of(0xf9), undefined]);
  });

  it('a snapshot of the machine without sessions can be restored', async () => {
    const server = new Server();
    const at = { index: 9, term: 1, time: 0, version: 0 };
    await server.machine.restore(stream([Uint8Array.of(65), Uint8Array.of(66, 67)]), at);
    expect(server.journal.applied).toEqual([65, 66, 67]);
  });

  it('restore refuses sessions of a newer format, and damaged ones', async () => {
    const server = new Server();
    server.apply([open(7), call(7, 1, 65)]);
    const [first, ...rest] = await server.snapshot();
    const newer = (first as Uint8Array).slice();
    new Writer(8, newer).skip(4);
    newer[4] = 9;
    const damaged = (first as Uint8Array).slice(0, -3);
    for (const chunk of [newer, damaged]) {
      const other = new Server();
      const restored = other.machine.restore(stream([chunk, ...rest]), { index: 2, term: 1, time: 0, version: 1 });
      await expect(restored).rejects.toMatchObject({ code: 'KONTIKI_FORMAT' });
    }
  });

  it('a machine that stores its own state is refused', () => {
    const machine = { open: () => Promise.resolve(0), apply: () => [] };
    expect(() => new SessionMachine(machine)).toThrow(KontikiError);
  });

  it('batches and snapshots do not change results or sessions', async () => {
    const command = fc.oneof(
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('open' as const), session: fc.integer({ min: 1, max: 5 }) }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('call' as const),
          session: fc.integer({ min: 1, max: 5 }),
          sequence: fc.integer({ min: 1, max: 12 }),
          settled: fc.nat(4),
        }),
      },
    );
    const step = fc.record({ command, later: fc.integer({ min: 0, max: 400 }), ends: fc.boolean() });
    const data = (given: typeof command extends fc.Arbitrary<infer T> ? T : never): Uint8Array =>
      given.kind === 'open'
        ? open(given.session, { resultBytes: 300 })
        : call(given.session, given.sequence, given.sequence, Math.min(given.settled, given.sequence - 1));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(60), async (steps, cut) => {
        const [single, batched] = [new Server(), new Server()];
        for (const { journal } of [single, batched]) journal.resultOf = (count) => 'y'.repeat((count * 37) % 150);
        let time = 0;
        let restored: Server | undefined;
        const results: unknown[] = [];
        let batch: Uint8Array[] = [];
        const expected: unknown[] = [];
        for (const [i, { command: given, later, ends }] of steps.entries()) {
          expected.push(...single.apply([data(given)], time));
          batch.push(data(given));
          // All entries of a batch have one log time here.
          if (!ends && i + 1 < steps.length) continue;
          results.push(...batched.apply(batch.splice(0), time));
          time += later;
        }
        batch = [];
        expect(results).toEqual(expected);
        const [a, b] = await Promise.all([single.snapshot(), batched.snapshot()]);
        expect(Buffer.concat(b)).toEqual(Buffer.concat(a));
        restored = new Server();
        const at = { index: 1, term: 1, time, version: 1 };
        await restored.machine.restore(stream(a.flatMap((chunk) => [chunk.subarray(0, cut), chunk.subarray(cut)])), at);
        expect(Buffer.concat(await restored.snapshot())).toEqual(Buffer.concat(a));
        // The restored server answers the same commands like the others.
        restored.journal.resultOf = single.journal.resultOf;
        const again = steps.map(({ command: given }) => data(given));
        expect(restored.apply(again, time)).toEqual(single.apply(again, time));
        expect(Buffer.concat(await restored.snapshot())).toEqual(Buffer.concat(await single.snapshot()));
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
