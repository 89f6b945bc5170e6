import { ClientError } from './errors.js';

/**
 * Returns the JSON text of an input. Throws `KONTIKI_BAD_INPUT` for a value that JSON would change,
 * such as a nested undefined, NaN, a Date or a Map.
 */
export function toJson(input: unknown, extra: Readonly<Record<string, unknown>> = {}): string {
  try {
    const fields = Object.entries({ input, ...extra }).filter(([, value]) => value !== undefined);
    return JSON.stringify(Object.fromEntries(fields), checkMember);
  } catch (error) {
    throw new ClientError('KONTIKI_BAD_INPUT', `The input cannot be sent: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function checkMember(this: Readonly<Record<string, unknown>>, key: string, converted: unknown): unknown {
  const given = this[key];
  if (!isJson(given)) throw new TypeError(`the value of ${JSON.stringify(key)} is not plain JSON.`);
  return converted;
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return ['string', 'boolean', 'object'].includes(typeof value);
  const prototype = Object.getPrototypeOf(value) as object | null;
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null;
}
