import { canonical } from './plain.js';

/**
 * The test runner's functions that the suites need. Those of vitest, jest, bun and node:test can be
 * passed unchanged.
 */
export interface TestFunctions {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => void | Promise<void>) => unknown;
  /**
   * The runner's `expect`. Default: an `expect` whose matchers throw an `Error`, for runners
   * without one.
   */
  readonly expect?: ((actual: unknown) => Matchers) | undefined;
}

export interface Matchers {
  /** Throws if the two values are not deeply equal. */
  toEqual(expected: unknown): unknown;
}

/** The functions of a test runner, with the default `expect` if the runner has none. */
export interface Runner extends TestFunctions {
  readonly expect: (actual: unknown) => Matchers;
}

export function runnerOf(given: TestFunctions): Runner {
  return { ...given, expect: given.expect ?? expect };
}

function expect(actual: unknown): Matchers {
  return {
    toEqual: (expected) => {
      const [held, wanted] = [canonical(actual), canonical(expected)];
      if (held !== wanted) throw new Error(`expected ${wanted}, got ${held}`);
    },
  };
}

/** Result of one test. */
export interface TestResult {
  /** The titles of the enclosing suites and of the test, joined by ` > `. */
  readonly name: string;
  /** The error that the test threw. Missing if it passed. */
  readonly error?: unknown;
}

/**
 * Returns a test runner that collects tests. `run` runs them one after the other and yields their
 * results. It starts a test only when the consumer asks for the next result.
 */
export function collect(): Runner & { readonly run: () => AsyncGenerator<TestResult, void> } {
  const names: string[] = [];
  const tests: { readonly name: string; readonly body: () => void | Promise<void> }[] = [];
  return {
    describe: (name, body) => {
      names.push(name);
      body();
      names.pop();
    },
    it: (name, body) => void tests.push({ name: [...names, name].join(' > '), body }),
    expect,
    async *run() {
      for (const { name, body } of tests) {
        const failed = await Promise.resolve()
          .then(body)
          .then(
            () => undefined,
            (error: unknown) => ({ error }),
          );
        yield { name, ...failed };
      }
    },
  };
}
