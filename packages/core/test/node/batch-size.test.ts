import { describe, expect, it } from 'vitest';
import { BatchSize } from '../../src/node/apply/batch-size.js';

/**
 * Applies 60 full batches to a machine with the given costs, and returns the sizes of the last
 * batches.
 */
function sizes(fixedMs: number, perCommandMs: number, noise: (batch: number) => number = () => 0): number[] {
  const size = new BatchSize();
  const seen: number[] = [];
  for (let i = 0; i < 60; i += 1) {
    seen.push(size.commands);
    size.note(size.commands, fixedMs + size.commands * perCommandMs + noise(i));
  }
  return seen.slice(-20);
}

describe('BatchSize', () => {
  it('batches of commands that take 300 microseconds each take about 5 ms', () => {
    for (const commands of sizes(0, 0.3)) expect(commands * 0.3).toBeLessThan(10);
  });

  it('only the first batch of slow commands is large', () => {
    const size = new BatchSize();
    expect(size.commands).toBe(64);
    for (let i = 0; i < 4; i += 1) size.note(size.commands, size.commands * 5);
    expect(size.commands).toBe(1);
  });

  it('batches of fast commands grow to the maximum size', () => {
    expect(Math.min(...sizes(0, 0))).toBe(16_384);
  });

  it('a fixed cost per batch does not reduce the batch size', () => {
    expect(Math.min(...sizes(10, 0.001))).toBeGreaterThan(1_000);
  });

  it('batches shrink when commands become slower, and then grow again', () => {
    const size = new BatchSize();
    const run = (perCommandMs: number): number => {
      for (let i = 0; i < 40; i += 1) size.note(size.commands, size.commands * perCommandMs);
      return size.commands;
    };
    expect(run(0.001)).toBeGreaterThan(1_000);
    expect(run(1)).toBeLessThan(20);
    expect(run(0.001)).toBeGreaterThan(1_000);
  });

  it('batches grow again after the process was paused during one batch', () => {
    const pauses = sizes(0, 0.001, (i) => (i % 10 === 0 ? 50 : 0));
    expect(Math.max(...pauses)).toBeGreaterThan(500);
  });

  it('an empty batch does not change the batch size', () => {
    const size = new BatchSize();
    size.note(0, 1_000);
    expect(size.commands).toBe(64);
  });
});
