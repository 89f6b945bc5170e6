import { isKontikiError, type ServerId } from '@kontiki/core';
import { Violation, type Invariant } from './violation.js';

/** Throws a `Violation` when an enabled invariant is broken, which ends the world. */
export class InvariantChecker {
  /** The first violation. It is kept because the code under test may catch the thrown error. */
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

  /**
   * Called with an error thrown by the code under test. A `KontikiError` is a failed assertion of
   * that code and breaks the invariant `assertions`. Any other error is a bug in the world and is
   * rethrown.
   */
  checkThrown(id: ServerId, error: unknown): void {
    if (error instanceof Violation || !isKontikiError(error)) throw error;
    if (this.#enabled.has('assertions')) throw new Violation('assertions', `${id}: ${error.message}`, { cause: error });
  }
}
