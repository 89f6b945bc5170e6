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

/** Survivals of unsynced bytes that are tried at each operation; the first script is fixed, the others are drawn. */
const SEEDS = [0, 1, 2, 3, 4];

/** Registers tests of everything that the port `LogStore` promises, crashes at every operation among them. */
export function testLogStore(test: TestFunctions, suite: LogStoreSuite): void {
  const runner = runnerOf(test);
  runner.describe(`${suite.name}, as a log store`, () => {
    const tests = storeTests(runner, suite);
    testCalls(tests);
    testReads(tests);
    testRefusals(tests);
    testRetirement(tests);
    for (const seed of SEEDS) {
      const look = async (kind: Crash): Promise<void> => {
        tests.expect(await crashEverywhere(suite, kind, seed)).toEqual(undefined);
      };
      tests.testMedia(
        'crash',
        `a crash of the process, at any operation: what has resolved is there, each call whole or absent (seed ${seed})`,
        () => look('process'),
      );
      tests.testMedia(
        'crash',
        `a power cut, at any operation: what has resolved is there, each call whole or absent (seed ${seed})`,
        () => look('power'),
      );
    }
    testFaults(tests, suite);
  });
}
