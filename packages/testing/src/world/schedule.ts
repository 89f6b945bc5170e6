interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Virtual time, as a queue of events in a binary heap. Each step advances time to the next event
 * and runs it. Events planned for the same time run in the order in which they were planned.
 */
export class Schedule {
  readonly #heap: Event[] = [];
  #order = 0;
  #now = 0;

  /** Simulated milliseconds since the start of the simulation. */
  get now(): number {
    return this.#now;
  }

  /** Number of events planned since the start of the simulation. */
  get planned(): number {
    return this.#order;
  }

  /** Plans an event after a delay in milliseconds. */
  after(delay: number, run: () => void): void {
    const event = { at: this.#now + delay, order: (this.#order += 1), run };
    const heap = this.#heap;
    let position = heap.length;
    heap.push(event);
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[position] = above;
      position = parent;
    }
    heap[position] = event;
  }

  /** Runs the next event. Returns false if no event is planned at or before the time `until`. */
  step(until: number): boolean {
    const [first] = this.#heap;
    if (first === undefined || first.at > until) return false;
    this.#removeFirst();
    this.#now = first.at;
    first.run();
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const { length } = heap;
    if (length === 0) return;
    let position = 0;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[position] = heap[child] as Event;
      position = child;
    }
    heap[position] = last;
  }
}
