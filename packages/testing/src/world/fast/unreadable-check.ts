import type { ServerId, Unreadable } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/** Checks that a server that cannot read its leader's log does not campaign. */
export class UnreadableCheck {
  readonly #id: ServerId;
  readonly #checks: Checks;
  /** Messages for the next turn that contain entries that the server cannot read. */
  #received: Unreadable[] = [];
  /**
   * Index of the first entry in the leader's log that the server cannot read. Undefined if it can
   * read the whole log.
   */
  #from: number | undefined;

  constructor(id: ServerId, checks: Checks) {
    this.#id = id;
    this.#checks = checks;
  }

  received(message: Unreadable): void {
    this.#received.push(message);
  }

  /** Called after each turn of the server, with its role before the turn. */
  turned({ role, ballot, log }: Raft, before: Raft['role']): void {
    this.#checks.check(
      'levelsAreRead',
      this.#from === undefined || role === before || role === 'follower',
      () => `${this.#id} became ${role}, although it cannot read entry ${this.#from}`,
    );
    for (const { index = 0, term } of this.#received) {
      if (term !== ballot.term || role !== 'follower' || index <= log.lastIndex) continue;
      this.#from ??= index;
      this.#checks.counts.unreadable += 1;
    }
    this.#received = [];
    if (this.#from !== undefined && this.#from <= log.lastIndex) this.#from = undefined;
  }
}
