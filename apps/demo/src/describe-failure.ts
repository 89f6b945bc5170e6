import { isKontikiError } from '@kontiki/core';

/**
 * Formats an error for the terminal, with the message of its cause and the code of a Kontiki error.
 */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  const reason = cause instanceof Error && !message.includes(cause.message) ? ` (${cause.message})` : '';
  return isKontikiError(error) ? `${message}${reason} [${error.code}]` : `${message}${reason}`;
}
