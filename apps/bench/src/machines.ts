import type { StateMachine } from '@kontiki/core';

/** Bytes of one chunk of a snapshot. */
const CHUNK = 256 * 1024;

/**
 * Returns a state machine that only sums the lengths of its commands, so that its own work is
 * negligible.
 */
export function adder(): StateMachine<number> {
  let sum = 0;
  return { apply: ({ entries }) => entries.map(({ data }) => (sum += data.length)) };
}

/**
 * Returns an adder that also holds `bytes` of state. The state never changes, so a snapshot needs
 * no copy-on-write. It restores into a second buffer that exists from the start, because how fast
 * the system hands out memory is not Kontiki's doing.
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
