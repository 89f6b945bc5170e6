import type { ApplyBatch, StateMachine } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import { FAULTS, runFullWorld, type FullWorldOptions, type Outcome, type Workload } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const log: FullWorldOptions['log'] = ({ folder, clock, random }) =>
  new FileLog(folder, { clock, random, segmentBytes: 2_000 });

const run = (seed: number, options: Partial<FullWorldOptions> = {}): Promise<Outcome> =>
  runFullWorld(seed, { log, seconds: 5, ...options });

/** What is found first in a few seeds. */
async function firstFound(options: Partial<FullWorldOptions>): Promise<Outcome['violation']> {
  for (let seed = 0; seed < 20; seed += 1) {
    const { violation } = await run(seed, options);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

/** Adds up what it is told. */
class Counter implements StateMachine<number> {
  total = 0;

  apply({ entries }: ApplyBatch): number[] {
    return entries.map(({ data }) => this.add(data[0] ?? 0));
  }

  add(by: number): number {
    this.total += by;
    return this.total;
  }
}

function counting<Machine extends Counter>(machine: () => Machine): () => Workload<Machine> {
  return () => ({
    machine,
    request: (random) => ({ command: new Uint8Array([random.below(10)]) }),
    digest: ({ total }) => `${total}`,
  });
}

describe('the full world', () => {
  it('is one execution for a seed, promises included, told or not, and another one for another', async () => {
    const story: string[] = [];
    const trace = (at: number, text: string): number => story.push(`${at} ${text}`);
    const [once, again, other] = [await run(5), await run(5, { trace }), await run(6)];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
    expect(story.join('\n')).toMatch(/a starts[^]*leads term[^]*everything heals/);
  });

  it('keeps every invariant through 12 seeds in which much happens', async () => {
    const outcomes: Outcome[] = [];
    for (let seed = 0; seed < 12; seed += 1) outcomes.push(await run(seed, { seconds: 20 }));
    expect(outcomes.filter(({ violation }) => violation !== undefined)).toEqual([]);
    const sum = (name: keyof Outcome['counts']): number =>
      outcomes.reduce((total, { counts }) => total + counts[name], 0);
    for (const [name, floor] of Object.entries({
      elections: 50,
      crashes: 50,
      closes: 10,
      reads: 400,
      acknowledged: 400,
    })) {
      expect(sum(name as keyof Outcome['counts']), name).toBeGreaterThan(floor);
    }
    expect(sum('diskErrors') + sum('lostDisks') + sum('badFrames')).toBeGreaterThan(10);
  }, 120_000);

  it('runs a machine of one’s own, and notices that it is not the same everywhere', async () => {
    expect(await firstFound({ workload: counting(() => new Counter()) })).toBeUndefined();
    let machines = 0;
    class Uncertain extends Counter {
      readonly #wrong = (machines += 1) % 5 === 0;

      override add(by: number): number {
        return super.add(this.#wrong && by === 7 ? 8 : by);
      }
    }
    const violation = await firstFound({ workload: counting(() => new Uncertain()) });
    expect(violation?.invariant).toBe('equalStates');
  }, 60_000);

  it('notices a machine that throws, and a store that says too early that it is done', async () => {
    class Throwing extends Counter {
      override add(by: number): number {
        if (this.total > 50) throw new Error('too much');
        return super.add(by);
      }
    }
    const throws = await firstFound({ workload: counting(() => new Throwing()) });
    expect(throws?.message).toMatch(/^assertions: \w stopped, and nothing was done to it/);

    const hasty: FullWorldOptions['log'] = (surroundings) => {
      const store = log(surroundings);
      const append = store.append.bind(store);
      store.append = async (write): Promise<void> => void append(write).catch(() => {});
      return store;
    };
    expect(await firstFound({ log: hasty })).toBeDefined();
  }, 60_000);

  it('excuses no node that stops without saying that its disk has failed', async () => {
    const silent: FullWorldOptions['log'] = (surroundings) => {
      const store = log(surroundings);
      const append = store.append.bind(store);
      store.append = (write) =>
        append(write).catch(() => {
          throw new Error('something failed');
        });
      return store;
    };
    const only = { without: FAULTS.filter((fault) => fault !== 'kills'), seconds: 20 };
    const violation = await firstFound({ ...only, log: silent });
    expect(violation?.message).toMatch(/^assertions: \w stopped, and nothing was done to it: something failed/);
  }, 60_000);

  it('looks at what it is told to, and leaves out the faults it is told to', async () => {
    const nothing = counting(
      () =>
        new (class extends Counter {
          override add(): number {
            throw new Error('always');
          }
        })(),
    );
    expect((await run(3, { workload: nothing, invariants: ['electionSafety'] })).violation).toBeUndefined();
    const { counts } = await run(8, {
      without: ['kills', 'powerCuts', 'wipes', 'bitFlips', 'diskErrors', 'earlyLeaderFailures'],
    });
    expect([counts.crashes, counts.lostDisks, counts.diskErrors]).toEqual([0, 0, 0]);
  });
});
