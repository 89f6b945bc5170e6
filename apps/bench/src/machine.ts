import type { StateMachine } from '@kontiki/core';

/** Bytes of a piece of state. */
const PIECE = 256 * 1024;

/** Adds up what it is given, so that nothing of the machine's own is measured. */
export function adder(): StateMachine<number> {
  let sum = 0;
  return { apply: ({ entries }) => entries.map(({ data }) => (sum += data.length)) };
}

/** The adder with so many bytes of state beside its sum, which never change: copying on write costs it nothing. */
export function keeper(bytes: number): StateMachine<number> {
  let pieces: Uint8Array[] = Array.from({ length: Math.ceil(bytes / PIECE) }, (_, i) => new Uint8Array(PIECE).fill(i));
  return {
    ...adder(),
    snapshot: async function* () {
      yield* pieces;
    },
    restore: async (chunks) => {
      const restored: Uint8Array[] = [];
      // Chunks are views into frames.
      for await (const chunk of chunks) restored.push(chunk.slice());
      pieces = restored;
    },
  };
}
