import { isKontikiError, KontikiError } from '../errors.js';
import type { CommandEntry, Entry } from '../log/entry.js';
import type { RaftLog } from '../log/raft-log.js';
import type { Clock } from '../ports/clock.js';
import type { LogStore } from '../ports/log-store.js';
import type { StateMachine } from '../ports/state-machine.js';
import { machineFailed } from './machine-failed.js';

/** Bytes of entries handed to the state machine at a time. */
const BATCH_BYTES = 256 * 1024;
/** Milliseconds after which applying gives way to messages and timers. */
const SLICE_MS = 5;

export interface ApplierOptions<Result> {
  readonly log: RaftLog;
  readonly store: LogStore;
  readonly machine: StateMachine<Result>;
  readonly clock: Clock;
  /** A batch is applied up to `through`; `results` are those of its commands, in order. */
  readonly onApplied: (entries: readonly Entry[], through: number, results: readonly Result[]) => void;
  /** The log begins with a snapshot that the machine is behind: puts it into the machine. */
  readonly restore: () => Promise<void>;
  readonly onFailure: (error: Error) => void;
}

/** What runs between two batches, and who is told that it never will. */
interface BetweenBatches {
  readonly run: () => Promise<void>;
  readonly dropped: (error: Error) => void;
}

/**
 * Carries committed entries to the state machine: in order, one batch at a time, apart from the protocol. What has left
 * memory is read back from the store: what is committed and durable never changes, so it may be read at any time.
 */
export class Applier<Result> {
  readonly #options: ApplierOptions<Result>;
  #busy = false;
  /** A slice of time is over; the next one has been asked for. */
  #resting = false;
  #closed = false;
  readonly #between: BetweenBatches[] = [];
  #idle: () => void = () => {};

  constructor(options: ApplierOptions<Result>) {
    this.#options = options;
  }

  /** Whether a batch is being applied: the state is between two indices then. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Runs something between two batches; the next one waits until its promise settles. */
  runBetweenBatches(run: () => Promise<void>, dropped: (error: Error) => void): void {
    this.#between.push({ run, dropped });
    this.applyNext();
  }

  /** Applies what may be applied. */
  applyNext(): void {
    if (this.#busy || this.#resting) return;
    const { log, clock, onFailure } = this.#options;
    const until = clock.now() + SLICE_MS;
    try {
      // Whoever is told that a batch is applied may close the node, or begin what the next batch must wait for.
      for (;;) {
        if (this.#closed || this.#busy) return;
        // What is between two batches must not find a machine that the log has left behind.
        if (log.applied < log.base.index) return this.#wait(this.#restore());
        const next = this.#between.shift();
        if (next !== undefined) return this.#wait(next.run());
        if (log.applied >= log.applicable) return;
        if (clock.now() >= until) return this.#rest();
        const held = log.slice(log.applied + 1, log.applicable, BATCH_BYTES);
        const pending = held === undefined ? this.#readAndApply() : this.#apply(held.entries);
        if (pending !== undefined) {
          this.#wait(pending);
          return;
        }
      }
    } catch (error) {
      onFailure(error as Error);
    }
  }

  /** Begins no other batch, and resolves when the one under way has ended. */
  close(): Promise<void> {
    this.#closed = true;
    const ended = new KontikiError('KONTIKI_CLOSED', 'The node has ended.');
    for (const { dropped } of this.#between.splice(0)) dropped(ended);
    return this.#busy ? new Promise((resolve) => (this.#idle = resolve)) : Promise.resolve();
  }

  #rest(): void {
    this.#resting = true;
    this.#options.clock.defer(() => {
      this.#resting = false;
      this.applyNext();
    });
  }

  #wait(pending: Promise<void>): void {
    this.#busy = true;
    const end = (): void => {
      this.#busy = false;
      this.#idle();
    };
    pending.then(
      () => {
        end();
        this.applyNext();
      },
      (error: Error) => {
        end();
        if (!this.#closed) this.#options.onFailure(error);
      },
    );
  }

  async #readAndApply(): Promise<void> {
    const { log, store } = this.#options;
    let entries: readonly Entry[];
    try {
      entries = await store.read(log.applied + 1, log.applicable, BATCH_BYTES);
    } catch (error) {
      // A snapshot has taken the place of the log meanwhile, and what was to be applied is in it.
      if (isKontikiError(error, 'KONTIKI_COMPACTED') && log.applied < log.base.index) return;
      throw error;
    }
    await this.#apply(entries);
  }

  async #restore(): Promise<void> {
    const { log, restore, onApplied } = this.#options;
    const { index } = log.base;
    try {
      await restore();
    } catch (error) {
      // A newer one was installed, and this one removed before it was opened: the machine is as it was, and takes that one.
      if (isKontikiError(error, 'KONTIKI_NO_SNAPSHOT') && index < log.base.index) return;
      throw error;
    }
    if (!this.#closed) onApplied([], index, []);
  }

  /** Returns a promise only if the machine does, so that a synchronous one costs none. */
  #apply(entries: readonly Entry[]): Promise<void> | undefined {
    const { machine } = this.#options;
    const commands = entries.filter((entry): entry is CommandEntry => entry.kind === 'command');
    const through = entries.at(-1)?.index ?? 0;
    let results: readonly Result[] | Promise<readonly Result[]>;
    try {
      results = machine.apply({ entries: commands, through });
    } catch (error) {
      throw machineFailed(`applied entries up to ${through}`, error);
    }
    if (!(results instanceof Promise)) {
      this.#done(entries, commands.length, through, results);
      return undefined;
    }
    return results.then(
      (settled) => this.#done(entries, commands.length, through, settled),
      (error: unknown) => {
        throw machineFailed(`applied entries up to ${through}`, error);
      },
    );
  }

  #done(entries: readonly Entry[], commands: number, through: number, results: readonly Result[]): void {
    if (results.length !== commands) {
      const cause = new TypeError(`apply gave ${results.length} results for ${commands} commands`);
      throw machineFailed(`applied entries up to ${through}`, cause);
    }
    if (!this.#closed) this.#options.onApplied(entries, through, results);
  }
}
