import type { Position } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { Forwards } from './forwards.js';
import type { Operation } from './operations.js';

/** Client commands and operator calls that wait for a server's next turn. */
export class QueuedCalls {
  #commands: Uint8Array[] = [];
  #operations: Operation[] = [];
  readonly #forwards: Forwards;
  readonly #onAppended: (raft: Raft, position: Position) => void;

  constructor(forwards: Forwards, onAppended: (raft: Raft, position: Position) => void) {
    this.#forwards = forwards;
    this.#onAppended = onAppended;
  }

  propose(command: Uint8Array): void {
    this.#commands.push(command);
  }

  operate(operation: Operation): void {
    this.#operations.push(operation);
  }

  /** Drops all calls, because the process died. */
  abandon(): void {
    this.#commands = [];
    this.#operations = [];
  }

  /** Makes all calls in the current turn. A server that does not lead forwards its commands. */
  readonly make = (raft: Raft): void => {
    const [commands, operations] = [this.#commands, this.#operations];
    this.abandon();
    const leads = raft.role === 'leader';
    if (!leads && commands.length > 0) this.#forwards.send(raft, commands);
    for (const data of leads ? commands : []) {
      const outcome = raft.propose(data);
      if (typeof outcome === 'object') this.#onAppended(raft, outcome);
    }
    for (const operation of operations) operation(raft);
  };
}
