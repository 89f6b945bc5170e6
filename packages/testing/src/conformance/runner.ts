import { canonical } from './plain.js';

/** What the suites need of a test runner. Those of vitest, jest, bun and node:test fit as they are. */
export interface TestFunctions {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => void | Promise<void>) => unknown;
  /** Default: one that throws an `Error`, for runners that bring none. */
  readonly expect?: ((actual: unknown) => Matchers) | undefined;
}

export interface Matchers {
  /** Deeply equal. */
  toEqual(expected: unknown): unknown;
}

/** A runner's functions with the default for what isn't given. */
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

/** What became of a test: `error` is what it threw. */
export interface TestResult {
  readonly name: string;
  readonly error?: unknown;
}

/** A runner that only remembers: `run` carries the tests out, one after the other, as far as its results are asked for. */
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
