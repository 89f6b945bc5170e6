import { KontikiError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

/**
 * The promises that the parts of a node returned when they were closed. The keys are the names that
 * error messages use for these parts.
 */
export type ClosingParts = Readonly<Record<string, Promise<void> | undefined>>;

/**
 * Closes the parts of a node in several steps. The parts of one step close in parallel. Each step
 * takes at most `timeout` milliseconds, so that a hanging state machine or disk does not keep the
 * other parts open. Rejects if a part fails to close or does not close in time.
 */
export async function closeParts(clock: Clock, timeout: number, steps: readonly (() => ClosingParts)[]): Promise<void> {
  const late: string[] = [];
  const failures: unknown[] = [];
  let onTimeout = (): void => {};
  const timer = clock.timer(() => onTimeout());
  for (const step of steps) {
    const open = new Map(Object.entries(step()));
    const closed = [...open].map(async ([name, closing]) => {
      try {
        await closing;
      } catch (error) {
        failures.push(error);
      }
      open.delete(name);
    });
    timer.set(clock.now() + timeout);
    await Promise.race([Promise.all(closed), new Promise<void>((resolve) => (onTimeout = resolve))]);
    late.push(...open.keys());
  }
  timer.close();
  const [cause] = failures;
  if (late.length === 0) {
    if (failures.length > 0) throw cause;
    return;
  }
  throw new KontikiError(
    'KONTIKI_TIMEOUT',
    `The node has stopped, but ${late.join(' and ')} did not end within ${timeout} ms. Everything else is closed, and durable data is safe. End the process before you open the same data again.`,
    { cause },
  );
}

/**
 * Closes the parts of a node that failed to start. Ignores errors during closing, because the error
 * from starting is more useful.
 */
export const closeQuietly = (parts: readonly { close(): Promise<void> }[]): Promise<unknown> =>
  Promise.allSettled(parts.map(async (part) => part.close()));
