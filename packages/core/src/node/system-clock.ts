import type { Clock, Timer } from '../ports/clock.js';

declare const setImmediate: ((callback: () => void) => unknown) | undefined;

/**
 * Runs a callback after pending I/O events. Uses a message channel where there is no
 * `setImmediate`.
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
 * The longest delay of `setTimeout`, in milliseconds. A longer timer fires early, and the node sets
 * it again.
 */
const LONGEST = 2 ** 31 - 1;

/** The real time. It is monotonic, and never the wall clock. */
export class SystemClock implements Clock {
  readonly defer: (callback: () => void) => void = afterArrivals();

  now(): number {
    return performance.now();
  }

  timer(fire: () => void): Timer {
    let handle: ReturnType<typeof setTimeout> | undefined;
    let due = Infinity;
    const expire = (): void => {
      handle = undefined;
      due = Infinity;
      fire();
    };
    return {
      set: (at) => {
        // A leader sets its timer in every turn, mostly to the time for which it is set already.
        if (at === due) return;
        clearTimeout(handle);
        due = at;
        // Rounded up, because a timer that fires slightly early would only be set again.
        handle =
          at === Infinity
            ? undefined
            : setTimeout(expire, Math.min(LONGEST, Math.max(0, Math.ceil(at - performance.now()))));
      },
      close: () => {
        clearTimeout(handle);
        handle = undefined;
      },
    };
  }
}
