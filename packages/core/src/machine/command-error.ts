/**
 * The symbol that marks every `CommandError`, so that other copies of this package recognize the
 * error.
 */
const BRAND: symbol = Symbol.for('kontiki.commandError');

/**
 * An error that a command throws to report a failure to its caller. The failure is the command's
 * result, so it must be the same on every server. The application chooses its `code`. Throw this
 * error before the command changes the state, because its changes are not reverted.
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
