import { BytePool } from './byte-pool.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Maximum length of the texts that are encoded and decoded here, character by character. For names,
 * ids and small inputs, this is faster than a call of `TextEncoder` or `TextDecoder`.
 */
const SHORT = 32;

/** Returns the UTF-8 encoding of a string. */
export function encodeUtf8(text: string): Uint8Array {
  if (text.length > SHORT) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    bytes[i] = code;
  }
  return bytes;
}

/** Buffer for encoding a text whose length in bytes is not known yet. */
const scratch = new Uint8Array(4 * 1024);
const pool = new BytePool();

/**
 * Returns the UTF-8 encoding of a string in memory that other texts share. For texts that are encoded
 * and copied at once, because an array of its own costs several times as much.
 */
export function encodeUtf8Shared(text: string): Uint8Array {
  // UTF-8 needs at most three bytes per UTF-16 code unit.
  if (text.length <= SHORT || 3 * text.length > scratch.length) return encodeUtf8(text);
  const { written } = encoder.encodeInto(text, scratch);
  return pool.copy(scratch.subarray(0, written));
}

/** Returns the string with this UTF-8 encoding. Throws a TypeError if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  if (bytes.length > SHORT) return decoder.decode(bytes);
  let text = '';
  for (const code of bytes) {
    if (code > 0x7f) return decoder.decode(bytes);
    text += String.fromCharCode(code);
  }
  return text;
}
