import { isKontikiError, type ServerId } from '@kontiki/core';
import { Violation, type Invariant } from './violation.js';

/** Ends a world in which an invariant that is looked at does not hold. */
export class InvariantChecker {
  /** The first one that was broken: what it threw may have been caught by the code under test. */
  violation: Violation | undefined;
  readonly #enabled: ReadonlySet<Invariant>;

  constructor(enabled: ReadonlySet<Invariant>) {
    this.#enabled = enabled;
  }

  check(invariant: Invariant, holds: boolean, broken: () => string): void {
    if (holds || !this.#enabled.has(invariant)) return;
    this.violation ??= new Violation(invariant, broken());
    throw this.violation;
  }

  /** An assertion of the code itself failed; anything else is a bug of the world. */
  checkThrown(id: ServerId, error: unknown): void {
    if (error instanceof Violation || !isKontikiError(error)) throw error;
    if (this.#enabled.has('assertions')) throw new Violation('assertions', `${id}: ${error.message}`, { cause: error });
  }
}
