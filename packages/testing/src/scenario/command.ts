import type { Entry } from '@kontiki/core';

const encoder = new TextEncoder();

/** A command for a log that is written by hand: the same place and term, the same command. */
export function command(index: number, term: number, text = `${index}/${term}`): Entry {
  return { kind: 'command', index, term, data: encoder.encode(text) };
}
