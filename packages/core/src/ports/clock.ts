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
  /** Creates a timer that calls `fire` when it fires. */
  timer(fire: () => void): Timer;
  /**
   * Calls `callback` after one turn of the event loop, so that pending socket and file events run
   * first.
   */
  defer(callback: () => void): void;
}
