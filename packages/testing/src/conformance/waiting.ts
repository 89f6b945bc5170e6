/** Time limit for a condition to become true, in milliseconds of real time. */
const DEADLINE = 20_000;

/**
 * Checks a condition every few milliseconds of real time until it is true. Rejects after 20
 * seconds.
 */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + DEADLINE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`the condition is still false after ${DEADLINE / 1000} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Returns the code of the error that a call rejects with, or 'none' if it resolves. */
export function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'none',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  );
}
