/** The outcome of a committed command: its result, or the error for its caller. */
export type Outcome<Result = unknown> = { readonly result: Result } | { readonly error: Error };
