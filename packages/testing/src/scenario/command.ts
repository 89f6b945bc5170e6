import type { Entry } from '@kontiki/core';

const encoder = new TextEncoder();

/** Returns a command for a handwritten log. The default text depends only on index and term. */
export function command(index: number, term: number, text = `${index}/${term}`): Entry {
  return { kind: 'command', index, term, data: encoder.encode(text) };
}
