/** A sentence for whoever called. */
export class UsageError extends Error {}
