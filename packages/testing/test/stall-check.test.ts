// Shows that the fast world (a simulation of the protocol alone) detects every wrong reaction to a
// late timer. The check receives made-up turns of one server. The fast worlds show that correct
// servers pass the check.
import type { RoleName } from '@kontiki/core';
import type { Raft, Report, Turn } from '@kontiki/core/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { StallCheck } from '../src/world/fast/stall-check.js';
import type { Checks } from '../src/world/fast/checks.js';

const timings = { heartbeat: 10, election: 100 };
const forgiven: Report = { kind: 'lateTimerForgiven' };
const silent: Report = { kind: 'steppedDown', reason: 'quorumSilent' };

describe('StallCheck', () => {
  let broken: string[];
  let stalls: StallCheck;

  beforeEach(() => {
    broken = [];
    const checks = {
      check: (_name: string, holds: boolean, text: () => string) => void (holds || broken.push(text())),
    };
    stalls = new StallCheck(checks as unknown as Checks);
  });

  /** Runs a turn that requests the next turn 10 milliseconds later. */
  function turn(now: number, before: RoleName, role: RoleName, ...reports: Report[]): void {
    const raft = { role, timings, leader: 'b', ballot: { term: 3 } } as unknown as Raft;
    stalls.turned('a', raft, before, now, { reports, wakeAt: now + 10 } as unknown as Turn);
  }

  /** Runs a turn on time, a late turn, and then a turn that campaigns. */
  function blame(start: number): void {
    turn(start, 'follower', 'follower');
    turn(start + 500, 'follower', 'follower');
    turn(start + 501, 'follower', 'preCandidate');
  }

  function forgive(start: number): void {
    turn(start, 'follower', 'follower');
    turn(start + 500, 'follower', 'follower');
    turn(start + 501, 'follower', 'follower', forgiven);
  }

  function hearLeader(from: string, term: number): void {
    stalls.received(from, { kind: 'append', term } as never);
  }

  it('a campaign in a late turn breaks the invariant', () => {
    turn(0, 'follower', 'follower');
    turn(500, 'follower', 'preCandidate');
    expect(broken).toEqual(['a checked its timers in a late turn']);
  });

  it('a campaign right after a late turn breaks the invariant', () => {
    blame(0);
    expect(broken).toEqual(['a blamed others for its own stall']);
  });

  it('a leader that steps down right after a late turn breaks the invariant', () => {
    turn(0, 'leader', 'leader');
    turn(500, 'leader', 'leader');
    turn(501, 'leader', 'follower', silent);
    expect(broken).toEqual(['a blamed others for its own stall']);
  });

  it('a server that has just forgiven a late timer may act on the next late timer', () => {
    forgive(0);
    blame(502);
    expect(broken).toEqual([]);
  });

  it('a server must forgive a late timer even after late turns without one', () => {
    turn(0, 'follower', 'follower');
    turn(500, 'follower', 'follower');
    turn(501, 'follower', 'follower');
    blame(502);
    expect(broken).toHaveLength(1);
  });

  it('a follower that hears from its leader must forgive again', () => {
    forgive(0);
    hearLeader('b', 3);
    blame(502);
    expect(broken).toHaveLength(1);
  });

  it('an append from an earlier leader does not require forgiveness', () => {
    forgive(0);
    hearLeader('b', 2);
    hearLeader('c', 3);
    blame(502);
    expect(broken).toEqual([]);
  });

  it('a leader must forgive again after its quorum answers for an election timeout', () => {
    turn(0, 'leader', 'leader');
    turn(500, 'leader', 'leader');
    turn(501, 'leader', 'leader', forgiven);
    for (let now = 510; now <= 610; now += 10) turn(now, 'leader', 'leader');
    turn(900, 'leader', 'leader');
    turn(901, 'leader', 'follower', silent);
    expect(broken).toHaveLength(1);
  });

  it('a leader that stalls again within an election timeout may step down', () => {
    turn(0, 'leader', 'leader');
    turn(500, 'leader', 'leader');
    turn(501, 'leader', 'leader', forgiven);
    turn(900, 'leader', 'leader');
    turn(901, 'leader', 'follower', silent);
    expect(broken).toEqual([]);
  });
});
