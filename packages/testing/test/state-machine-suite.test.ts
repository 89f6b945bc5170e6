import { describe, expect, it } from 'vitest';
import type { ApplyBatch, StateMachine } from '@kontiki/core';
import { collect, testStateMachine } from '@kontiki/testing';

// Shows that `testStateMachine` passes correct machines and detects faulty ones. The first failing
// test of each faulty machine must be the test for its fault.

/**
 * A correct machine that adds up the commands. Each faulty machine overrides one of its methods.
 */
class Sum implements StateMachine<number> {
  sum = 0;
  through = 0;

  apply({ entries, through }: ApplyBatch): readonly number[] | Promise<readonly number[]> {
    this.through = through;
    return entries.map(({ data }) => (this.sum += this.value(data)));
  }

  value(data: Uint8Array): number {
    return data[0] ?? 0;
  }
}

class Asynchronous extends Sum {
  override async apply(batch: ApplyBatch): Promise<readonly number[]> {
    await Promise.resolve();
    return super.apply(batch);
  }
}

class NoResults extends Sum {
  override apply(batch: ApplyBatch): readonly number[] {
    void super.apply(batch);
    return [];
  }
}

class ResultsPerBatch extends Sum {
  override apply(batch: ApplyBatch): readonly number[] {
    void super.apply(batch);
    return batch.entries.map(() => this.sum);
  }
}

class CountsEmptyBatches extends Sum {
  override apply(batch: ApplyBatch): readonly number[] | Promise<readonly number[]> {
    if (batch.entries.length === 0) this.sum += 1;
    return super.apply(batch);
  }
}

class UsesMathRandom extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + Math.random();
  }
}

class UsesTime extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + new Date().getFullYear();
  }
}

class UsesCrypto extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + (crypto.getRandomValues(new Uint8Array(1))[0] as number);
  }
}

class ReadsWholeMemory extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + data.buffer.byteLength;
  }
}

/** Returns the title of the first test that fails. */
async function failing(machine: () => Sum, reopen?: (before: Sum) => Sum): Promise<string | undefined> {
  const runner = collect();
  testStateMachine(runner, {
    name: 'Sum',
    machine,
    commands: () => Array.from({ length: 50 }, (_, i) => Uint8Array.of(i)),
    digest: ({ sum }) => sum,
    reopen,
  });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

/**
 * Returns a machine that keeps its state. The index that its `open` returns is too high by `ahead`.
 */
function durable(ahead: number): { machine: () => Sum; reopen: (before: Sum) => Sum } {
  class Durable extends Sum {
    async open(): Promise<number> {
      return this.through + (this.through > 0 ? ahead : 0);
    }
  }
  return {
    machine: () => new Durable(),
    reopen: ({ sum, through }) => Object.assign(new Durable(), { sum, through }),
  };
}

describe('testStateMachine', () => {
  it.each([
    ['synchronous', Sum],
    ['asynchronous', Asynchronous],
  ])('testStateMachine passes a correct %s machine', async (_, Correct) => {
    expect(await failing(() => new Correct())).toBe(undefined);
  });

  it.each([
    ['returns no results', NoResults, 'apply returns one result per command'],
    ['returns results that depend on the batch', ResultsPerBatch, 'for all batch sizes'],
    ['counts empty batches', CountsEmptyBatches, 'an empty batch does not change the state'],
    ['uses Math.random', UsesMathRandom, 'for all batch sizes'],
    ['uses the time', UsesTime, 'do not depend on the time'],
    ['uses crypto', UsesCrypto, 'for all batch sizes'],
    ['ignores where the data begins', ReadsWholeMemory, 'as proposed and as decoded'],
  ])('testStateMachine detects a machine that %s', async (_, Faulty, title) => {
    expect(await failing(() => new Faulty())).toContain(title);
  });

  it('testStateMachine detects a machine whose open returns a wrong index', async () => {
    const [right, ahead, behind] = [durable(0), durable(1), durable(-1)];
    expect(await failing(right.machine, right.reopen)).toBe(undefined);
    expect(await failing(ahead.machine, ahead.reopen)).toContain('a reopened machine');
    expect(await failing(behind.machine, behind.reopen)).toContain('a reopened machine');
  });
});
