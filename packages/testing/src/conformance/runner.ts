import { canonical } from './plain.js';

type Register = (name: string, body: () => void | Promise<void>) => unknown;

/**
 * The functions of a test runner that the suites need. Those of vitest, jest, bun and node:test can
 * be passed unchanged.
 */
export interface TestFunctions {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: Register & {
    /**
     * Registers a test that does not run. If this function is missing, a skipped test is registered
     * with an empty body.
     */
    readonly skip?: Register | undefined;
  };
  /**
   * The `expect` function of the runner. Default: an `expect` whose matchers throw an `Error`, for
   * runners that have none.
   */
  readonly expect?: ((actual: unknown) => Matchers) | undefined;
}

export interface Matchers {
  /** Throws if the two values are not deeply equal. */
  toEqual(expected: unknown): unknown;
}

/** The functions of a test runner, with defaults for those that it does not have. */
export interface Runner extends TestFunctions {
  readonly expect: (actual: unknown) => Matchers;
  /** Registers a test as skipped. */
  readonly skip: (name: string, reason: string) => void;
}

export function runnerOf({ describe, it, expect: matchers = expect }: TestFunctions): Runner {
  const skip: Runner['skip'] = (name, reason) => {
    const title = `skipped because ${reason}: ${name}`;
    if (it.skip === undefined) it(title, () => {});
    else it.skip(title, () => {});
  };
  return { describe, it, expect: matchers, skip };
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
  /** True if the test was skipped. Missing if the test ran. */
  readonly skipped?: true;
  /** The error that the test threw. Missing if the test passed. */
  readonly error?: unknown;
}

/**
 * Returns a test runner that collects tests. `run` runs them one after the other and yields their
 * results. It starts a test only when the consumer asks for the next result.
 */
export function collect(): Required<TestFunctions> & { readonly run: () => AsyncGenerator<TestResult, void> } {
  const names: string[] = [];
  /** The collected tests. A test without a body is skipped. */
  const tests: { readonly name: string; readonly body?: () => void | Promise<void> }[] = [];
  const titleOf = (name: string): string => [...names, name].join(' > ');
  const it: Register = (name, body) => void tests.push({ name: titleOf(name), body });
  const skip: Register = (name) => void tests.push({ name: titleOf(name) });
  return {
    describe: (name, body) => {
      names.push(name);
      body();
      names.pop();
    },
    it: Object.assign(it, { skip }),
    expect,
    async *run() {
      for (const { name, body } of tests) {
        if (body === undefined) {
          yield { name, skipped: true };
          continue;
        }
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
