import { defineStateMachine, type StateMachine } from '@kontiki/core';

/** Bytes per chunk of a snapshot. */
const CHUNK = 256 * 1024;

/**
 * Returns a state machine that only sums the lengths of its commands, which takes negligible time.
 */
export function adder(): StateMachine<number> {
  let sum = 0;
  return { apply: ({ entries }) => entries.map(({ data }) => (sum += data.length)) };
}

/** A defined state machine that does the same for commands whose input is a text. */
export const typedAdder = defineStateMachine({
  initial: () => ({ sum: 0 }),
  commands: { add: (state, text: string) => (state.sum += text.length) },
});

/**
 * Returns an adder that also has a state of `bytes` bytes. The state never changes, so a snapshot
 * needs no copy-on-write. The adder restores a snapshot into a second buffer that is allocated in
 * advance, so that measurements do not include memory allocation.
 */
export function adderWithState(bytes: number): StateMachine<number> {
  let [state, spare] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(2)];
  return {
    ...adder(),
    snapshot: async function* () {
      for (let at = 0; at < bytes; at += CHUNK) yield state.subarray(at, at + CHUNK);
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
