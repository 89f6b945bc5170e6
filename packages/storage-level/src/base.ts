import type { LogBase } from '@kontiki/core';
import { baseLength, readBase, writeBase } from '@kontiki/core/store';
import { BASE } from './keys.js';
import { seal, unseal } from './sealed.js';

export function encodeBase(base: LogBase): Uint8Array {
  return seal(BASE, baseLength(base), (writer) => writeBase(writer, base));
}

export function decodeBase(value: Uint8Array | undefined, where: string): LogBase {
  return unseal(BASE, value, [where, 'where the log begins'], readBase);
}
