import type { Clock, Timer } from '../ports/clock.js';

declare const setImmediate: ((callback: () => void) => unknown) | undefined;

/** Runs a callback after the I/O that has already arrived; a message channel does it where there is no `setImmediate`. */
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

/** The longest that `setTimeout` waits, in milliseconds; who wants more is woken early, and sets the timer again. */
const LONGEST = 2 ** 31 - 1;

/** The real time: monotonic, never the wall clock. */
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
        // A leader moves its wake-up at every turn, mostly to where it is already.
        if (at === due) return;
        clearTimeout(handle);
        due = at;
        // Rounded up: a timer that fires a little early would be set again for nothing.
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
