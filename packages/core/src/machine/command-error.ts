/** A mark on every `CommandError`, which other copies of this package recognize, too. */
const BRAND: symbol = Symbol.for('kontiki.commandError');

/**
 * The failure of a command, which a command throws to report it to its caller. The failure is the
 * command's result, so it must be the same on every server. Its `code` is up to the application.
 * Throw it before the state is changed, because nothing is undone.
 */
export class CommandError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Returns whether a caught value is a `CommandError`, from this or another copy of the package. */
export function isCommandError(error: unknown): error is CommandError {
  return typeof error === 'object' && error !== null && BRAND in error;
}
