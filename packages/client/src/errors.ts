/** The symbol that marks every `CommandError`, in this package and in `@kontiki/core`. */
const BRAND: symbol = Symbol.for('kontiki.commandError');

// This package repeats the errors of `@kontiki/core`, because clients do not load that package.

/** The error of a call, with a stable `code`. It comes from this client or from a node. */
export class ClientError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClientError';
    this.code = code;
  }
}

/**
 * The error that a command threw, with the code and the message that the command chose. The command
 * was applied once. `isCommandError` of `@kontiki/core` recognizes this error, too.
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

/** An error in the JSON body of a response. */
export interface ResponseError {
  readonly code: string;
  readonly message: string;
}

/** Returns the error in the body of a response; undefined if the body has none. */
export function errorIn(body: Uint8Array): ResponseError | undefined {
  try {
    const { code, message } = (JSON.parse(Buffer.from(body).toString()) as { error: Partial<ResponseError> }).error;
    return typeof code === 'string' && typeof message === 'string' ? { code, message } : undefined;
  } catch {
    return undefined;
  }
}
