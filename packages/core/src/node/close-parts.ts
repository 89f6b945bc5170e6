import { KontikiError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

/** Parts of a node by name, for messages, with the promises of closing them. */
export type ClosingParts = Readonly<Record<string, Promise<void> | undefined>>;

/**
 * Closes the parts of a node, step by step. The parts of a step close in parallel. Each step ends
 * after `timeout` milliseconds at the latest, because a state machine or a disk that hangs must not
 * keep the other parts open. Rejects if a part failed to close or has not closed in time.
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
