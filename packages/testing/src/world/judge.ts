import { isKontikiError, type ServerId } from '@kontiki/core';
import { Violation, type Invariant } from './violation.js';

/** Ends a world in which an invariant that is looked at does not hold. */
export class Judge {
  readonly #enabled: ReadonlySet<Invariant>;

  constructor(enabled: ReadonlySet<Invariant>) {
    this.#enabled = enabled;
  }

  must(invariant: Invariant, holds: boolean, broken: () => string): void {
    if (!holds && this.#enabled.has(invariant)) throw new Violation(invariant, broken());
  }

  /** An assertion of the code itself failed; anything else is a bug of the world. */
  threw(id: ServerId, error: unknown): void {
    if (error instanceof Violation || !isKontikiError(error)) throw error;
    if (this.#enabled.has('assertions')) throw new Violation('assertions', `${id}: ${error.message}`, { cause: error });
  }
}
