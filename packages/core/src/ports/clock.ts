/** A timer that can be set again and again. */
export interface Timer {
  /** Fires once at this time, or as soon as possible after it. Replaces what was set before; `Infinity` clears. */
  set(at: number): void;
  /** Lets go of it for good. */
  close(): void;
}

/** Time, as the node sees it. Tests hand in a virtual one. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary beginning. */
  now(): number;
  /** A timer that calls `fire`. */
  timer(fire: () => void): Timer;
  /** Calls back after what has already arrived at this process (sockets, files) was let in: one turn of the event loop. */
  defer(callback: () => void): void;
}
