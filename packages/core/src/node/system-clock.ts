import type { Clock, Timer } from '../ports/clock.js';

declare const setImmediate: ((callback: () => void) => unknown) | undefined;

/**
 * Returns a function that runs a callback after pending I/O events. Uses a message channel if the
 * runtime does not have `setImmediate`.
 */
function afterArrivals(): (callback: () => void) => void {
  if (typeof setImmediate === 'function') return (callback) => void setImmediate(callback);
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = (): void => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(undefined);
  };
}

/**
 * Maximum delay of `setTimeout`, in milliseconds. The clock splits longer delays into several
 * timers.
 */
const LONGEST = 2 ** 31 - 1;

/** The system's monotonic clock. Changes to the wall clock do not affect its timers. */
export class SystemClock implements Clock {
  readonly defer: (callback: () => void) => void = afterArrivals();

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  timer(fire: () => void): Timer {
    let handle: ReturnType<typeof setTimeout> | undefined;
    let due = Infinity;
    const expire = (): void => {
      handle = undefined;
      if (performance.now() < due) return arm();
      due = Infinity;
      fire();
    };
    // Round the delay up, because otherwise a timer might expire slightly early and have to be set
    // a second time.
    const arm = (): void => {
      const delay = Math.min(LONGEST, Math.max(0, Math.ceil(due - performance.now())));
      handle = due === Infinity ? undefined : setTimeout(expire, delay);
    };
    return {
      set: (at) => {
        // A leader sets its timer in every turn, but usually to the same time as before.
        if (at === due) return;
        clearTimeout(handle);
        due = at;
        arm();
      },
      close: () => {
        clearTimeout(handle);
        handle = undefined;
      },
    };
  }
}
