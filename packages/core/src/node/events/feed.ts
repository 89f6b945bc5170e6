import { KontikiError } from '../../errors.js';
import type { Entry, Position } from '../../log/entry.js';
import type { RaftLog } from '../../log/raft-log.js';
import type { LogStore } from '../../ports/log-store.js';
import { throwIfAborted } from '../calls/calls.js';
import { describe } from '../describe.js';
import { badOption, type Names } from '../options.js';
import { readEntries } from '../read-entries.js';
import { isFinal } from '../status.js';
import { checkListenerOptions, type Emitter, type ListenerOptions } from './emitter.js';
import type { NodeEvents } from './events.js';
import { interruptible } from './interruptible.js';

/** Options for `committed`. */
export interface FeedOptions extends ListenerOptions {
  /**
   * The index of the first entry to return. Default: that of the entry after the last applied one.
   */
  readonly from?: number | undefined;
}

const feedOptions: Names<FeedOptions> = { signal: true, from: true };

/** A committed command that this server has applied. */
export interface Committed<Result> extends Position {
  /** A copy of the command. */
  readonly data: Uint8Array;
  /**
   * The state machine's result. Absent if the command was applied before the feed was opened, or if
   * the consumer is more than 256 commands behind.
   */
  readonly result?: Result;
}

/**
 * Maximum number of results kept in memory. Consumers that are further behind receive no results.
 */
const MAX_RESULTS = 256;
/** Maximum bytes of entries that a feed reads at once. */
const PAGE_BYTES = 256 * 1024;

/** The parts of a node that its feeds use. */
interface FeedParts {
  readonly log: RaftLog;
  readonly store: Pick<LogStore, 'read'>;
  readonly events: Emitter<NodeEvents>;
}

/**
 * The feeds of a node, which iterate over applied commands. A feed reads commands from the log, so
 * slow consumers take up no memory. Only the newest results are kept, and only while a feed is
 * open.
 */
export class Feeds<Result> {
  readonly #parts: FeedParts;
  readonly #results = new Map<number, Result>();
  #open = 0;
  #ended = false;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    parts.events.on('state', ({ role }) => (this.#ended ||= isFinal(role)));
  }

  onApplied(entries: readonly Entry[], results: readonly Result[]): void {
    if (this.#open === 0) return;
    let next = 0;
    for (const entry of entries)
      if (entry.kind === 'command') this.#results.set(entry.index, results[next++] as Result);
    for (const index of this.#results.keys()) {
      if (this.#results.size <= MAX_RESULTS) break;
      this.#results.delete(index);
    }
  }

  /** Opens a feed. Throws `KONTIKI_BAD_OPTION` if the options are invalid. */
  open(options: FeedOptions): AsyncGenerator<Committed<Result>, void, void> {
    checkListenerOptions(options, feedOptions);
    const { from = this.#parts.log.applied + 1, signal } = options;
    if (!Number.isSafeInteger(from) || from < 1)
      throw badOption(`from must be an integer of at least 1, not ${describe(from)}.`);
    return interruptible((stop) => this.#iterate(from, signal, stop));
  }

  async *#iterate(
    from: number,
    signal: AbortSignal | undefined,
    stop: AbortSignal,
  ): AsyncGenerator<Committed<Result>, void, void> {
    const { log } = this.#parts;
    this.#open += 1;
    try {
      for (let next = from; ;) {
        throwIfAborted(signal);
        if (next > log.applied) {
          if (this.#ended || stop.aborted) return;
          await this.#nextApply([signal, stop]);
          continue;
        }
        for (const entry of await this.#page(next)) {
          next = entry.index + 1;
          if (entry.kind === 'command') yield this.#committed(entry.index, entry.term, entry.data);
          throwIfAborted(signal);
        }
      }
    } finally {
      this.#open -= 1;
      if (this.#open === 0) this.#results.clear();
    }
  }

  #committed(index: number, term: number, data: Uint8Array): Committed<Result> {
    const applied = { index, term, data: new Uint8Array(data) };
    return this.#results.has(index) ? { ...applied, result: this.#results.get(index) as Result } : applied;
  }

  /** Returns at least one entry, from `next` on. */
  async #page(next: number): Promise<readonly Entry[]> {
    const { log, store } = this.#parts;
    const held = log.slice(next, log.applied, PAGE_BYTES)?.entries;
    if (held !== undefined) return held;
    if (next > log.base.index) {
      try {
        return await readEntries(store, next, log.applied, PAGE_BYTES);
      } catch (error) {
        // The entries may have been compacted during the read.
        if (next > log.base.index) throw error;
      }
    }
    const { index } = log.base;
    throw new KontikiError(
      'KONTIKI_COMPACTED',
      `A snapshot replaced the entries ${next} to ${index}, so a feed cannot read them. Read the state, and open a feed from entry ${index + 1} on or from a later one.`,
    );
  }

  /** Resolves when the next batch has been applied, the node ends, or the signal is aborted. */
  async #nextApply(signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    await new Promise<void>((resolve) => {
      this.#parts.events.on('apply', () => resolve(), options);
      this.#parts.events.on('state', () => resolve(), options);
      for (const signal of signals) signal?.addEventListener('abort', () => resolve(), options);
    });
    stop.abort();
  }
}
