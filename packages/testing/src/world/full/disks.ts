import type { Random } from '../../random.js';
import { SimulatedDisk, type DiskOperation } from '../../simulated-disk.js';
import type { Counts } from '../counts.js';
import type { Mix } from '../mix.js';
import type { Process } from './process.js';

/** The parts of a world that disks use. */
interface DiskContext {
  readonly mix: Mix;
  /** Whether all injected faults have ended. */
  readonly healed: boolean;
  readonly checks: { readonly counts: Counts };
}

/**
 * The two disks of one server. They fail, fill up, slow down and lose power as often as the world's
 * conditions prescribe.
 */
export class Disks {
  /** The disk of the log and the snapshots. */
  readonly log: SimulatedDisk;
  /** The disk of the state machine. */
  readonly machine: SimulatedDisk;
  readonly #world: DiskContext;
  readonly #random: Random;
  readonly #process: () => Process;
  /** Errors injected by the world. Only these may stop a node. */
  readonly #injectedErrors = new WeakSet<Error>();
  full = false;
  /** A promise that resolves when the disks answer again. Undefined while they are answering. */
  #answers: Promise<void> | undefined;
  #answer: () => void = () => {};

  /** Creates the disks. `process` returns the process that currently uses them. */
  constructor(world: DiskContext, random: Random, process: () => Process) {
    this.#world = world;
    this.#random = random;
    this.#process = process;
    const disk = (): SimulatedDisk =>
      new SimulatedDisk({
        random: random.next,
        fail: (operation) => this.#fail(operation),
        delay: (operation) => this.#delay(operation),
      });
    this.log = disk();
    this.machine = disk();
  }

  /** Returns whether an error or one of its causes was injected. */
  injected(error: Error): boolean {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (this.#injectedErrors.has(cause)) return true;
    }
    return false;
  }

  hang(): void {
    this.#answers ??= new Promise((resolve) => (this.#answer = resolve));
  }

  unhang(): void {
    this.#answers = undefined;
    this.#answer();
  }

  crash(kind: 'kill' | 'powerCut'): void {
    for (const disk of [this.log, this.machine]) disk.crash(kind === 'kill' ? 'process' : 'power');
  }

  wipe(): void {
    this.log.wipe();
    this.machine.wipe();
  }

  #fail({ kind }: DiskOperation): Error | undefined {
    const { mix, healed } = this.#world;
    if (healed) return undefined;
    const fails = (code: string): Error => {
      this.#world.checks.counts.diskErrors += 1;
      const error = Object.assign(new Error(`${code}: injected into ${kind}`), { code });
      this.#injectedErrors.add(error);
      return error;
    };
    // On a full disk, creating a file often succeeds, because a name needs little space. Allocating
    // space for the file's contents fails.
    const grows = kind === 'allocate' || (kind === 'create' && this.#random.chance(0.3));
    if (this.full && grows) return fails('ENOSPC');
    return this.#random.chance(mix.strength.diskErrors * 0.003) ? fails('EIO') : undefined;
  }

  /** Resolves after the latency of an operation, or never if the process dies first. */
  #delay({ kind }: DiskOperation): Promise<void> {
    const { mix, healed } = this.#world;
    const { slowDisks, stalls } = mix.strength;
    const process = this.#process();
    if (healed) return process.sleep(0.1);
    if (this.#answers !== undefined) return this.#answers.then(() => process.sleep(0.1));
    if (kind !== 'datasync' && kind !== 'sync') return process.sleep(this.#random.between(0.01, 0.1));
    if (this.#random.chance(stalls * 0.01)) return process.sleep(this.#random.between(0.5, 10) * mix.timings.election);
    return process.sleep(this.#random.between(0.1, 1 + slowDisks * 40));
  }
}
