import { textLength } from '@kontiki/core/wire';
import { MOVED } from './keys.js';
import { seal, unseal } from './sealed.js';

export function encodeMoved(where: string): Uint8Array {
  return seal(MOVED, textLength(where), (writer) => writer.text(where));
}

export function decodeMoved(value: Uint8Array, where: string): string {
  return unseal(MOVED, value, [where, 'what says where its server has gone'], (reader) => reader.text(reader.left));
}
