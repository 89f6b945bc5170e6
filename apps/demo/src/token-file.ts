import { readFileSync } from 'node:fs';
import { CliError, EXIT } from './cli.js';

/** Flags of `node` and `demo` that name files with the tokens that clients need. */
export const tokenFlags = { 'token-file': { type: 'string' }, 'admin-token-file': { type: 'string' } } as const;

/**
 * Reads a token for the `Authorization` header from a file. A token has 16 to 512 visible ASCII
 * characters. Returns undefined if no file is given.
 */
export function readToken(flag: string, path: unknown): string | undefined {
  if (typeof path !== 'string') return undefined;
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CliError(`Cannot read --${flag} ${path}: ${(error as Error).message}.`);
  }
  if (/^[!-~]{16,512}$/.test(token)) return token;
  throw new CliError(
    `The file of --${flag} must contain one token of 16 to 512 visible ASCII characters, but ${path} does not. Name another file, or create one: openssl rand -base64 32 > token`,
    EXIT.usage,
  );
}
