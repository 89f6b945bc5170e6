import { ClientError } from '@kontiki/client';
import { isKontikiError } from '@kontiki/core';
import { COMMAND } from './cli.js';

/**
 * Formats an error for the terminal, with the message of its cause and the code of a Kontiki error.
 */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (error instanceof ClientError && error.code === 'KONTIKI_UNTRUSTED')
    return `${message} Name the authority of the cluster with --ca FILE (a demo has it in DATA/tls/authority.pem), or renew the certificate: ${COMMAND} cert --help`;
  const reason = cause instanceof Error && !message.includes(cause.message) ? ` (${cause.message})` : '';
  return isKontikiError(error) ? `${message}${reason} [${error.code}]` : `${message}${reason}`;
}
