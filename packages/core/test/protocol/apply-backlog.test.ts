import { describe, expect, it } from 'vitest';
import { ApplyBacklog } from '../../src/protocol/apply-backlog.js';

describe('ApplyBacklog', () => {
  it('an empty backlog has no bytes and no age', () => {
    const backlog = new ApplyBacklog();
    expect([backlog.bytes, backlog.age(1_000)]).toEqual([0, 0]);
  });

  it('ApplyBacklog reports the bytes and age of committed but unapplied entries', () => {
    const backlog = new ApplyBacklog();
    backlog.committed(5, 100, 0);
    backlog.committed(9, 200, 50);
    expect([backlog.bytes, backlog.age(80)]).toEqual([300, 80]);
    backlog.applied(4);
    expect([backlog.bytes, backlog.age(80)]).toEqual([300, 80]);
    backlog.applied(5);
    expect([backlog.bytes, backlog.age(80)]).toEqual([200, 30]);
    backlog.applied(9);
    expect([backlog.bytes, backlog.age(80)]).toEqual([0, 0]);
  });

  it('ApplyBacklog counts simultaneous commits until all of them are applied', () => {
    const backlog = new ApplyBacklog();
    for (let index = 1; index <= 1_000; index += 1) backlog.committed(index, 10, index / 1_000);
    backlog.applied(999);
    expect(backlog.bytes).toBe(10_000);
    backlog.applied(1_000);
    expect(backlog.bytes).toBe(0);
  });
});
