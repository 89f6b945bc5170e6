import type { Clock, SessionCall, StateMachine } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import type { Random } from '../random.js';

/**
 * The environment of one server process in the full world, which simulates whole nodes. Stores and
 * machines must use no other clock, random numbers or disk, so that an execution depends only on
 * the seed.
 */
export interface Environment {
  /** Id of the server. */
  readonly id: string;
  /** A folder on the server's simulated disk, which crashes with the server. */
  readonly folder: Folder;
  /** The clock of the process. It may run fast, run slow or jump. No timer fires during a pause. */
  readonly clock: Clock;
  /** Returns a random number in [0, 1), derived from the world's seed. */
  readonly random: () => number;
  /** The world's seed, for choices that must differ between worlds but not between servers. */
  readonly seed: number;
  /** The newest version of the state machine in the server's program, from 1 to 4. */
  readonly version: number;
}

/** A client's request: a command to propose, or a read. */
export interface Request<Machine, Answer> {
  readonly command?: Uint8Array | undefined;
  /** Encodes the command on the server that receives the request. Used instead of `command`. */
  encode?(machine: Machine): Uint8Array;
  /**
   * The session of the command: that of the server (true) or of the client, if the machine is a
   * `SessionMachine`. `open` opens a session, whose number is the answer. Default: no session.
   */
  readonly session?: true | SessionCall | 'open' | undefined;
  /** Reads from the state machine. Called by `RaftNode.read` between two calls of `apply`. */
  read?(machine: Machine): unknown;
  /**
   * Called with the outcome of the request. `call` and `end` order the request among all requests
   * of the world. `end` is null if the outcome is unknown. The command may then take effect at any
   * later time, or never. Not called for a refused request, which certainly takes no effect.
   */
  onEnd?(call: number, end: number | null, answer: Answer | undefined): void;
  /** Called if the request is refused. `hasEnded` means that the client's session has ended. */
  onRefused?(hasEnded: boolean): void;
}

/**
 * The state machines of a world and the requests of its clients. Each world gets a new workload.
 */
export interface Workload<Machine extends StateMachine = StateMachine> {
  /**
   * Creates the machine of one server process. A machine with `open` finds its synced state in the
   * folder. Any other machine starts empty.
   */
  machine(environment: Environment): Machine;
  /** Returns the next request. `number` is different in each call. */
  request(random: Random, number: number): Request<Machine, unknown>;
  /**
   * Returns the command that puts a version of the machine in force, or undefined if it is in
   * force already. If this method exists, servers are upgraded and rolled back. Leaders are asked
   * to raise the version to the newest one that every member has.
   */
  raise?(machine: Machine, version: number): Uint8Array | undefined;
  /** Returns equal strings for equal states, and different strings for different states. */
  digest(machine: Machine): string;
  /** Returns the contradictions found in the answers to clients. Called once, at the end. */
  anomalies?(): readonly string[];
}
