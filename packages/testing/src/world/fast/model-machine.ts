import type { Entry } from '@kontiki/core';
import type { RawNode } from '@kontiki/core/protocol';
import type { ServerContext } from './context.js';
import type { ModelDisk } from './disk.js';
import type { ServerTimers } from './server-timers.js';

/** Maximum size of one batch of applied entries, in bytes. */
const BATCH_BYTES = 10_000;

/** The server on which a state machine runs. */
export interface MachineOwner {
  /** The running node. Undefined while the server is down. */
  readonly raw: () => RawNode | undefined;
  /** Runs a step, and stops the server if an assertion fails. */
  readonly guarded: (step: () => void) => void;
  readonly onApplied: (raw: RawNode, entries: readonly Entry[]) => void;
  /** Called when there is no entry left to apply for now. */
  readonly onIdle: () => void;
}

/**
 * A state machine that remembers only the last entry that it applied. It may be slow, and it may
 * keep its state on its own disk.
 */
export class ModelMachine {
  readonly #world: ServerContext;
  readonly #disk: ModelDisk;
  readonly #timers: ServerTimers;
  readonly #owner: MachineOwner;
  /** Index of the last applied entry. */
  applied = 0;
  /** The index up to which the state machine has persisted its state on its own disk. */
  #stored = 0;
  #isApplying = false;

  constructor(world: ServerContext, disk: ModelDisk, timers: ServerTimers, owner: MachineOwner) {
    this.#world = world;
    this.#disk = disk;
    this.#timers = timers;
    this.#owner = owner;
  }

  start(): void {
    this.applied = this.#world.mix.durableMachines ? this.#stored : 0;
  }

  crash(): void {
    this.#isApplying = false;
    this.#stored = this.#world.random.chance(0.5) ? this.applied : Math.min(this.#stored, this.applied);
  }

  wipe(): void {
    this.#stored = 0;
  }

  /** Applies committed entries now, or after the delay of a slow machine. */
  apply(): void {
    const { mix, random, healed } = this.#world;
    const { slowMachines, weakMachines } = mix.strength;
    if (slowMachines + weakMachines === 0 || healed) return this.#applyNow();
    if (this.#isApplying) return;
    this.#isApplying = true;
    const perEntry = random.between(0, 4) * weakMachines * mix.writeEvery;
    this.#timers.later(random.between(0, slowMachines * 50) + perEntry, () => {
      this.#isApplying = false;
      this.#owner.guarded(() => this.#applyNow(weakMachines === 0 ? Infinity : 1));
      const log = this.#owner.raw()?.raft.log;
      if (log !== undefined && log.applied < log.applicable) this.apply();
    });
  }

  /** Applies at most `most` entries. */
  #applyNow(most = Infinity): void {
    const raw = this.#owner.raw();
    if (raw === undefined) return;
    const { log } = raw.raft;
    for (let left = most; left > 0 && log.applied < log.applicable;) {
      const from = log.applied + 1;
      const to = Math.min(log.applicable, from + left - 1);
      const entries = log.slice(from, to, BATCH_BYTES)?.entries ?? this.#disk.read(from, to, BATCH_BYTES);
      left -= entries.length;
      this.applied = from + entries.length - 1;
      this.#owner.onApplied(raw, entries);
    }
    this.#owner.onIdle();
  }
}
