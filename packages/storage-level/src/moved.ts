import { textLength } from '@kontiki/core/wire';
import { MOVED } from './keys.js';
import { seal, unseal } from './sealed.js';

/** Bytes of the text at the most: a path, a word or two. */
const MAX_TEXT = 4_096;

export function encodeMoved(where: string): Uint8Array {
  const text = where.slice(0, MAX_TEXT / 4);
  return seal(MOVED, textLength(text), (writer) => writer.text(text));
}

export function decodeMoved(value: Uint8Array, where: string): string {
  return unseal(MOVED, value, [where, 'what says where its server has gone'], (reader) => reader.text(MAX_TEXT));
}
