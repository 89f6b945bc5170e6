import type { Crash } from '../simulated-disk.js';
import { testCalls } from './log-calls.js';
import { crashEverywhere } from './log-crashes.js';
import { testFaults } from './log-faults.js';
import type { LogStoreSuite } from './log-context.js';
import { testReads } from './log-reads.js';
import { testRefusals } from './log-refusals.js';
import { testRetirement } from './log-retirement.js';
import { runnerOf, type TestFunctions } from './runner.js';
import { storeTests } from './store-context.js';

/**
 * Seeds of the crash tests. A seed determines which unsynced bytes survive a crash. Seed 0 runs the
 * fixed script, and every other seed draws a random script.
 */
const SEEDS = [0, 1, 2, 3, 4];

/**
 * Registers tests for all guarantees of the port `LogStore`, including crashes at every operation.
 */
export function testLogStore(test: TestFunctions, suite: LogStoreSuite): void {
  const runner = runnerOf(test);
  runner.describe(`${suite.name}, as a log store`, () => {
    const tests = storeTests(runner, suite);
    testCalls(tests);
    testReads(tests);
    testRefusals(tests);
    testRetirement(tests);
    for (const seed of SEEDS) {
      const crash = async (kind: Crash): Promise<void> => {
        tests.expect(await crashEverywhere(suite, kind, seed)).toEqual(undefined);
      };
      tests.testMedia('crash', `a log keeps every resolved call after a process crash (seed ${seed})`, () =>
        crash('process'),
      );
      tests.testMedia('crash', `a log keeps every resolved call after a power cut (seed ${seed})`, () =>
        crash('power'),
      );
    }
    testFaults(tests, suite);
  });
}
