import type { Clock, StateMachine } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import type { Random } from '../random.js';

/**
 * The environment of one server process in the full world. Stores and machines must use no other
 * clock, randomness or disk, so that an execution depends on the seed only.
 */
export interface Environment {
  /** The server's id. */
  readonly id: string;
  /** A folder on the server's simulated disk. It crashes with the server. */
  readonly folder: Folder;
  /**
   * The clock of the process. It may run fast or slow and jump, and no timer fires during a pause.
   */
  readonly clock: Clock;
  /** Returns a number in [0, 1), drawn from the world's seed. */
  readonly random: () => number;
  /** The world's seed, for choices that differ between worlds but not between servers. */
  readonly seed: number;
}

/** A request of a client: a command to propose, or else a read. */
export interface Request<Machine, Answer> {
  readonly command?: Uint8Array | undefined;
  /** Reads from the machine. Called between two applies, by `RaftNode.read`. */
  read?(machine: Machine): unknown;
  /**
   * Called with the outcome. `call` and `end` order the request among all requests of the world. If
   * the outcome is unknown, `end` is null: the command may take effect at any later time, or never.
   * Not called if the request was refused, which means that it certainly takes no effect.
   */
  onEnd?(call: number, end: number | null, answer: Answer | undefined): void;
}

/** State machines and the requests of their clients. Each world gets a new workload. */
export interface Workload<Machine extends StateMachine = StateMachine> {
  /**
   * Creates the machine of one server process. A machine with `open` finds its synced state in the
   * folder. Any other machine starts empty.
   */
  machine(environment: Environment): Machine;
  /** Returns the next request. `number` is different each time. */
  request(random: Random, number: number): Request<Machine, unknown>;
  /** Returns equal texts for equal states, and different texts for different ones. */
  digest(machine: Machine): string;
  /** Returns the contradictions in all answers to clients. Called once, at the end. */
  anomalies?(): readonly string[];
}
