import type { StateMachine } from '@kontiki/core';

/** Bytes of a piece of state. */
const PIECE = 256 * 1024;

/** Adds up what it is given, so that nothing of the machine's own is measured. */
export function adder(): StateMachine<number> {
  let sum = 0;
  return { apply: ({ entries }) => entries.map(({ data }) => (sum += data.length)) };
}

/**
 * The adder with so many bytes of state beside its sum, which never change: copying on write costs it nothing. It restores
 * into memory that it has already: how fast the system hands out new memory is not Kontiki's doing.
 */
export function keeper(bytes: number): StateMachine<number> {
  let [state, spare] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(2)];
  return {
    ...adder(),
    snapshot: async function* () {
      for (let at = 0; at < bytes; at += PIECE) yield state.subarray(at, at + PIECE);
    },
    restore: async (chunks) => {
      let at = 0;
      for await (const chunk of chunks) {
        spare.set(chunk, at);
        at += chunk.length;
      }
      [state, spare] = [spare, state];
    },
  };
}
