import { KontikiError } from '@kontiki/core';

/**
 * Throws `KONTIKI_BAD_OPTION` if `given` has a property whose name is not in `known`. Without this
 * check, a misspelled option would be ignored and its default used instead.
 */
export function checkNames(option: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const text = `There is no option ${option}.${unknown}. Known names: ${known.join(', ')}.`;
  throw new KontikiError('KONTIKI_BAD_OPTION', text);
}
