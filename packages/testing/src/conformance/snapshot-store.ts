import type { SnapshotStore } from '@kontiki/core';
import type { Crash } from '../simulated-disk.js';
import { runnerOf, type TestFunctions } from './runner.js';
import { testCalls } from './snapshot-calls.js';
import { crashEverywhere } from './snapshot-crashes.js';
import { testFaults } from './snapshot-faults.js';
import { testReading } from './snapshot-reading.js';
import { testRefusals } from './snapshot-refusals.js';
import { storeTests, type StoreSuite } from './store-context.js';

export type SnapshotStoreSuite = StoreSuite<SnapshotStore>;

/** The first script is fixed, the others are drawn. */
const SEEDS = [0, 1, 2, 3];

/** Registers tests of everything that the port `SnapshotStore` promises, crashes at every operation among them. */
export function testSnapshotStore(test: TestFunctions, suite: SnapshotStoreSuite): void {
  const runner = runnerOf(test);
  runner.describe(`${suite.name}, as a snapshot store`, () => {
    const tests = storeTests(runner, suite);
    testCalls(tests);
    testReading(tests);
    testRefusals(tests);
    for (const seed of SEEDS) {
      const look = async (kind: Crash): Promise<void> => {
        tests.expect(await crashEverywhere(suite, kind, seed)).toEqual(undefined);
      };
      tests.testMedia(
        'crash',
        `a crash of the process, at any operation: snapshots are whole or absent, finished ones there, and unfinished ones go on behind what was synced (seed ${seed})`,
        () => look('process'),
      );
      tests.testMedia(
        'crash',
        `a power cut, at any operation: snapshots are whole or absent, finished ones there, and unfinished ones go on behind what was synced (seed ${seed})`,
        () => look('power'),
      );
    }
    testFaults(tests, suite);
  });
}
