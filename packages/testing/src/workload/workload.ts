import type { Clock, StateMachine } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import type { Random } from '../random.js';

/** What one life of a server is given. */
export interface Environment {
  /** The server's id. */
  readonly id: string;
  /** A folder of its own, on a disk that crashes with the server. */
  readonly folder: Folder;
  /** The server's clock: time stands still while its process does. */
  readonly clock: Clock;
  /** Uniform in [0, 1), drawn from the world's seed. */
  readonly random: () => number;
  /** The world's seed: for what should differ from world to world and be the same for all servers. */
  readonly seed: number;
}

/** What a client asks of a server: a command to propose, or else a read. */
export interface Request<Machine, Answer> {
  readonly command?: Uint8Array | undefined;
  /** Run between two applies, as `RaftNode.read` does. */
  read?(machine: Machine): unknown;
  /**
   * Told how it ended. `call` and `end` order it among all requests of the world; `end` is null when it may have been
   * carried out at any time since, or never. What was surely not carried out is not told.
   */
  onEnd?(call: number, end: number | null, answer: Answer | undefined): void;
}

/** A state machine, and clients for it. One object serves one world. */
export interface Workload<Machine extends StateMachine = StateMachine> {
  /** The machine of one life of a server. With `open` it keeps its state in the folder; otherwise every life begins empty. */
  machine(environment: Environment): Machine;
  /** What a client asks next. `number` is another one each time. */
  request(random: Random, number: number): Request<Machine, unknown>;
  /** The same text for equal states, and for no others. */
  digest(machine: Machine): string;
  /** What in everything that clients were told cannot have been; asked once, in the end. */
  anomalies?(): readonly string[];
}
