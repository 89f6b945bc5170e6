import type { Clock } from '../ports/clock.js';

/** Schedules the turns of a node's protocol. */
export class TurnSchedule {
  readonly #clock: Pick<Clock, 'defer' | 'soon'>;
  readonly #run: () => void;
  #isOpen = false;
  #isDeferred = false;
  #isNext = false;

  constructor(clock: Pick<Clock, 'defer' | 'soon'>, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Prevents further turns. */
  close(): void {
    this.#isOpen = false;
  }

  /** Schedules a turn to process waiting inputs, after the events that have already arrived. */
  defer(): void {
    if (this.#isDeferred || !this.#isOpen) return;
    this.#isDeferred = true;
    this.#clock.defer(() => {
      this.#isDeferred = false;
      this.#run();
    });
  }

  /**
   * Schedules a turn to process an event from the disk or the network, before any other event.
   * A call of the application that needs no other server must not use this. A program that repeats
   * such a call whenever it ends could otherwise keep the process from handling events at all.
   */
  runNext(): void {
    if (this.#isNext || !this.#isOpen) return;
    this.#isNext = true;
    const run = (): void => {
      this.#isNext = false;
      this.#run();
    };
    if (this.#clock.soon === undefined) queueMicrotask(run);
    else this.#clock.soon(run);
  }
}
