/** Milliseconds that what must come about may take on real time. */
const DEADLINE = 20_000;

/** Waits, on real time, for a condition that something under way brings about. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + DEADLINE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it has not come about within ${DEADLINE / 1000} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The code of the error that a call ends with; 'none' when it succeeds. */
export function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'none',
    (error: unknown) => String((error as { code?: unknown }).code ?? error),
  );
}
