import { isThenable } from '../thenable.js';

/**
 * Returns a description of the fault in the results of `apply`; undefined if the results are valid.
 */
export function faultOf(results: unknown, commands: number): string | undefined {
  if (!Array.isArray(results)) {
    return `apply returned ${results === null ? 'null' : typeof results} instead of an array with one result per command`;
  }
  if (results.length !== commands) return `apply returned ${results.length} results for ${commands} commands`;
  // If a result were a promise, the state could change after the caller had received the result.
  if (results.some(isThenable)) {
    return 'apply returned an array that contains a promise. Await every command, and return one array of results';
  }
  return undefined;
}
