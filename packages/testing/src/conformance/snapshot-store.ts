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

/**
 * Seeds of the crash tests. A seed determines which unsynced bytes survive a crash. Seed 0 runs the
 * fixed script, and every other seed draws a random script.
 */
const SEEDS = [0, 1, 2, 3];

/**
 * Registers tests for all guarantees of the port `SnapshotStore`, including crashes at every
 * operation.
 */
export function testSnapshotStore(test: TestFunctions, suite: SnapshotStoreSuite): void {
  const runner = runnerOf(test);
  runner.describe(`${suite.name}, as a snapshot store`, () => {
    const tests = storeTests(runner, suite);
    testCalls(tests);
    testReading(tests);
    testRefusals(tests);
    for (const seed of SEEDS) {
      const crash = async (kind: Crash): Promise<void> => {
        tests.expect(await crashEverywhere(suite, kind, seed)).toEqual(undefined);
      };
      tests.testMedia('crash', `a store keeps finished snapshots after a process crash (seed ${seed})`, () =>
        crash('process'),
      );
      tests.testMedia('crash', `a store keeps finished snapshots after a power cut (seed ${seed})`, () =>
        crash('power'),
      );
    }
    testFaults(tests, suite);
  });
}
