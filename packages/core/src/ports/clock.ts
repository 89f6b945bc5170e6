/** A timer that can be set repeatedly. */
export interface Timer {
  /**
   * Fires once at this time, or as soon as possible after it. Replaces the previous setting;
   * `Infinity` clears it.
   */
  set(at: number): void;
  /** Clears the timer for good. */
  close(): void;
}

/** The node's source of time. Tests pass in a virtual clock. */
export interface Clock {
  /** Returns monotonic milliseconds since an arbitrary moment. */
  now(): number;
  /** Creates a timer that calls `fire`. */
  timer(fire: () => void): Timer;
  /**
   * Calls back after one turn of the event loop, so that socket and file events that are already
   * pending run before.
   */
  defer(callback: () => void): void;
}
