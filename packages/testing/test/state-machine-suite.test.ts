import { describe, expect, it } from 'vitest';
import type { ApplyBatch, StateMachine } from '@kontiki/core';
import { collect, testStateMachine } from '@kontiki/testing';

/** Sums up what commands say; faults override a part of it. */
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

class Silent extends Sum {
  override apply(batch: ApplyBatch): readonly number[] {
    void super.apply(batch);
    return [];
  }
}

class Batchwise extends Sum {
  override apply(batch: ApplyBatch): readonly number[] {
    void super.apply(batch);
    return batch.entries.map(() => this.sum);
  }
}

class Counting extends Sum {
  override apply(batch: ApplyBatch): readonly number[] | Promise<readonly number[]> {
    if (batch.entries.length === 0) this.sum += 1;
    return super.apply(batch);
  }
}

class Random extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + Math.random();
  }
}

class Timed extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + new Date().getFullYear();
  }
}

class Secret extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + (crypto.getRandomValues(new Uint8Array(1))[0] as number);
  }
}

class Meddling extends Sum {
  override value(data: Uint8Array): number {
    return super.value(data) + (data.fill(0)[0] as number);
  }
}

/** The first test that fails. */
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

/** Keeps its state on a disk of its own, in memory; reports an index that is `ahead` of what it holds. */
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

describe('the suite for state machines', () => {
  it.each([Sum, Asynchronous])('finds nothing in a right one: %o', async (Right) => {
    expect(await failing(() => new Right())).toBe(undefined);
  });

  it.each([
    [Silent, 'gives one result a command'],
    [Batchwise, 'however the commands are cut'],
    [Counting, 'an empty batch changes nothing'],
    [Random, 'however the commands are cut'],
    [Timed, 'at another time'],
    [Secret, 'however the commands are cut'],
    [Meddling, 'changes no command'],
  ])('notices %o: “%s”', async (Wrong, title) => {
    expect(await failing(() => new Wrong())).toContain(title);
  });

  it('takes one with a disk of its own, and notices when it opens at an index that it does not hold', async () => {
    const [right, ahead, behind] = [durable(0), durable(1), durable(-1)];
    expect(await failing(right.machine, right.reopen)).toBe(undefined);
    expect(await failing(ahead.machine, ahead.reopen)).toContain('opened reopen');
    expect(await failing(behind.machine, behind.reopen)).toContain('opened reopen');
  });
});
