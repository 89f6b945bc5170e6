/** An error in the command line. Its message is printed without a stack trace. */
export class UsageError extends Error {}
