import { describe, expect, it } from 'vitest';
import type { LogState } from '@kontiki/core';
import { Random, SimulatedDisk, type Crash, type DiskOperation } from '@kontiki/testing';
import { difference, holdings, models, openLog, owner, runUntilCrash, script } from './history.js';

const calls = script.flat();
const states = models(calls);

/**
 * Crashes the scripted run at every operation, opens the log again, cuts the power at once, and opens it again: each
 * time it must hold a prefix of the calls with every resolved one, and the second time no less than the first reported.
 * Returns the first thing that is wrong.
 */
async function crashEverywhere(
  kind: Crash,
  seed: number,
  lies?: (operation: DiskOperation, opening: boolean) => boolean,
): Promise<string | undefined> {
  for (let operation = 1; ; operation += 1) {
    let opening = false;
    const random = new Random(seed * 1_000 + operation).next;
    const disk = new SimulatedDisk({ random, lies: (asked) => lies?.(asked, opening) === true });
    const { resolved, begun, ended } = await runUntilCrash(disk, operation, kind);
    if (ended) return undefined;
    opening = true;
    let allowed = states.slice(resolved, begun + 1);
    for (const after of ['process', 'power'] as const) {
      const log = openLog(disk);
      const state = await log.open(owner).catch((error: Error) => error);
      const held = state instanceof Error ? undefined : await holdings(log, state);
      const wrong = held === undefined ? (state as Error).message : difference(held, state as LogState, allowed);
      if (held === undefined || wrong !== undefined) {
        return `${kind} crash at operation ${operation}, ${resolved} of ${begun} resolved, opened after a ${after} crash: ${wrong}`;
      }
      allowed = [held];
      disk.crash('power');
    }
    // And it goes on: what is appended now is there after the next start.
    const log = openLog(disk);
    const { last } = await log.open(owner);
    await log.append({ entries: [{ kind: 'noop', index: last + 1, term: 9 }] });
    disk.crash('power');
    const state = await openLog(disk).open(owner);
    if (state.last !== last + 1) return `operation ${operation}: the next append was lost`;
  }
}

describe('a log on a disk that crashes', () => {
  it.each([1, 2, 3, 4, 5])(
    'keeps every resolved call and each call whole or absent, crashed at any operation (seed %i)',
    async (seed) => {
      expect(await crashEverywhere('power', seed)).toBe(undefined);
      expect(await crashEverywhere('process', seed)).toBe(undefined);
    },
  );

  it('the check notices when the sync of append is taken out', async () => {
    const lies = ({ kind }: DiskOperation, opening: boolean): boolean => kind === 'datasync' && !opening;
    expect(await crashEverywhere('power', 1, lies)).toContain('power crash');
  });

  it('the check notices when the sync of open is taken out', async () => {
    const lies = ({ kind }: DiskOperation, opening: boolean): boolean => kind === 'datasync' && opening;
    expect(await crashEverywhere('process', 1, lies)).toContain('opened after a power crash');
  });

  it('the check notices when the folder is not synced', async () => {
    const lies = ({ kind }: DiskOperation): boolean => kind === 'sync';
    const results = await Promise.all([1, 2, 3].map((seed) => crashEverywhere('power', seed, lies)));
    expect(results.join()).not.toBe(',,');
  });
});
