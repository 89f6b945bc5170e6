import type { ApplyBatch, StateMachine } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import {
  FAULTS,
  LATER_FAULTS,
  runFullWorld,
  type FullWorldOptions,
  type Outcome,
  type Workload,
} from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { SessionWorkload } from '../src/workload/session-workload.js';

const log: FullWorldOptions['log'] = ({ folder, clock, random }) =>
  new FileLog(folder, { clock, random, segmentBytes: 2_000 });

const run = (seed: number, options: Partial<FullWorldOptions> = {}): Promise<Outcome> =>
  runFullWorld(seed, { log, seconds: 5, ...options });

/** Runs a few seeds. Returns the outcome of the first world in which an invariant was violated. */
async function firstViolation(options: Partial<FullWorldOptions>): Promise<Outcome['violation']> {
  for (let seed = 0; seed < 20; seed += 1) {
    const { violation } = await run(seed, options);
    if (violation !== undefined) return violation;
  }
  return undefined;
}

/** A state machine that adds up the commands. */
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

describe('runFullWorld', () => {
  it('runFullWorld produces equal executions for equal seeds, with or without a trace', async () => {
    const lines: string[] = [];
    const trace = (at: number, text: string): number => lines.push(`${at} ${text}`);
    const [first, traced, other] = [await run(5), await run(5, { trace }), await run(6)];
    expect(traced).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
    expect(lines.join('\n')).toMatch(/a starts[^]*leads term[^]*all faults end/);
  });

  it('all invariants hold in 6 full worlds in which many events occur', async () => {
    const outcomes: Outcome[] = [];
    for (let seed = 0; seed < 6; seed += 1) outcomes.push(await run(seed, { seconds: 20 }));
    expect(outcomes.filter(({ violation }) => violation !== undefined)).toEqual([]);
    const sum = (name: keyof Outcome['counts']): number =>
      outcomes.reduce((total, { counts }) => total + counts[name], 0);
    for (const [name, floor] of Object.entries({
      elections: 25,
      crashes: 25,
      closes: 5,
      reads: 150,
      acknowledged: 150,
    })) {
      expect(sum(name as keyof Outcome['counts']), name).toBeGreaterThan(floor);
    }
    expect(sum('diskErrors') + sum('lostDisks') + sum('badFrames')).toBeGreaterThan(5);
  }, 120_000);

  it('versions of typed machines are raised in full worlds with restarts and snapshots', async () => {
    const seeds = Array.from({ length: 12 }, (_, seed) => seed);
    const outcomes: Outcome[] = [];
    for (const seed of seeds) outcomes.push(await run(seed, { workload: () => new SessionWorkload() }));
    expect(outcomes.filter(({ violation }) => violation !== undefined)).toEqual([]);
    const raises = outcomes.reduce((total, { counts }) => total + counts.raises, 0);
    expect(raises).toBeGreaterThan(2);
  }, 60_000);

  it('a full world detects a state machine that differs between servers', async () => {
    expect(await firstViolation({ workload: counting(() => new Counter()) })).toBeUndefined();
    let machines = 0;
    class Uncertain extends Counter {
      readonly #wrong = (machines += 1) % 5 === 0;

      override add(by: number): number {
        return super.add(this.#wrong && by === 7 ? 8 : by);
      }
    }
    const violation = await firstViolation({ workload: counting(() => new Uncertain()) });
    expect(violation?.invariant).toBe('equalStates');
  }, 60_000);

  it('a full world detects a machine that throws and a store that resolves early', async () => {
    class Throwing extends Counter {
      override add(by: number): number {
        if (this.total > 50) throw new Error('too much');
        return super.add(by);
      }
    }
    const throws = await firstViolation({ workload: counting(() => new Throwing()) });
    expect(throws?.message).toMatch(/^assertions: \w stopped without an injected error/);

    const early: FullWorldOptions['log'] = (surroundings) => {
      const store = log(surroundings);
      const append = store.append.bind(store);
      store.append = async (write): Promise<void> => void append(write).catch(() => {});
      return store;
    };
    expect(await firstViolation({ log: early })).toBeDefined();
  }, 60_000);

  it('a full world detects a node that stops without reporting its disk error', async () => {
    const hiding: FullWorldOptions['log'] = (surroundings) => {
      const store = log(surroundings);
      const append = store.append.bind(store);
      store.append = (write) =>
        append(write).catch(() => {
          throw new Error('something failed');
        });
      return store;
    };
    const only = { without: [...FAULTS, ...LATER_FAULTS].filter((fault) => fault !== 'kills'), seconds: 20 };
    const violation = await firstViolation({ ...only, log: hiding });
    expect(violation?.message).toMatch(/^assertions: \w stopped without an injected error: something failed/);
  }, 60_000);

  it('runFullWorld checks only the given invariants and disables the given faults', async () => {
    const alwaysThrows = counting(
      () =>
        new (class extends Counter {
          override add(): number {
            throw new Error('always');
          }
        })(),
    );
    expect((await run(3, { workload: alwaysThrows, invariants: ['electionSafety'] })).violation).toBeUndefined();
    const { counts } = await run(8, {
      without: ['kills', 'powerCuts', 'wipes', 'bitFlips', 'diskErrors', 'earlyLeaderFailures', 'hangs'],
    });
    expect([counts.crashes, counts.lostDisks, counts.diskErrors]).toEqual([0, 0, 0]);
  });
});
