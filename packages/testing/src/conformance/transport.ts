import type { Transport } from '@kontiki/core';
import { runnerOf, type TestFunctions } from './runner.js';
import { transportTests, type TransportSuite } from './transport-context.js';
import { testDelivery } from './transport-delivery.js';
import { testEnd } from './transport-end.js';
import { testPeers } from './transport-peers.js';
import { testPressure } from './transport-pressure.js';

/** Registers tests for every guarantee of the `Transport` interface. */
export function testTransport<T extends Transport>(test: TestFunctions, suite: TransportSuite<T>): void {
  const runner = runnerOf(test);
  runner.describe(`${suite.name}, as a transport`, () => {
    const tests = transportTests(runner, suite);
    testDelivery(tests);
    testPeers(tests);
    testEnd(tests);
    testPressure(tests);
  });
}
