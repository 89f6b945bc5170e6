/** A reusable timer that fires once each time it is set. */
export interface Timer {
  /**
   * Sets the timer to fire once, at time `at` or as soon as possible afterward. Replaces the
   * previous setting; `Infinity` clears the timer.
   */
  set(at: number): void;
  /** Stops the timer permanently. */
  close(): void;
}

/** The node's source of time. Tests use a virtual clock. */
export interface Clock {
  /** Returns the monotonic time in milliseconds since an arbitrary start. */
  now(): number;
  /**
   * Returns the wall clock in milliseconds. A leader uses it only to notice that its machine was
   * suspended, which stops the monotonic clock, and then gives up its lease. Without this method,
   * don't use lease reads on machines that may be suspended.
   */
  wall?(): number;
  /** Creates a timer that calls `fire` when it fires. */
  timer(fire: () => void): Timer;
  /**
   * Calls `callback` after one turn of the event loop, so that pending socket and file events run
   * first.
   */
  defer(callback: () => void): void;
  /**
   * Calls `callback` when the current code has finished, before any other event. Default: a
   * microtask. Tests use this method to delay the callback.
   */
  soon?(callback: () => void): void;
}
