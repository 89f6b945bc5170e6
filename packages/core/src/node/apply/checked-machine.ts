import { machineFailed } from '../../errors.js';
import type { StateMachine } from '../../ports/state-machine.js';
import { describe } from '../describe.js';

/**
 * Wraps a state machine to check the return values of its methods, because an implementation
 * without type checks may return any value. `Applier` checks the results of `apply`.
 */
export function checkedMachine<Result>(machine: StateMachine<Result>): StateMachine<Result> {
  return {
    apply: (batch) => machine.apply(batch),
    get version() {
      return machine.version;
    },
    get behavior() {
      return machine.behavior;
    },
    get blocksApply() {
      return machine.blocksApply;
    },
    get nextExpiry() {
      try {
        const next: unknown = machine.nextExpiry;
        if (next === undefined || Number.isFinite(next)) return next as number | undefined;
        throw new TypeError(`nextExpiry must be a number of milliseconds or undefined, not ${describe(next)}`);
      } catch (error) {
        throw machineFailed('reported its next expiry', error);
      }
    },
    ...(machine.open && {
      open: async (owner) => {
        const applied: unknown = await machine.open?.(owner);
        if (Number.isSafeInteger(applied) && (applied as number) >= 0) return applied as number;
        const text = `open must resolve with the index of the last applied entry, an integer from 0 on, not ${describe(applied)}`;
        throw machineFailed('opened its state', new TypeError(text));
      },
    }),
    ...(machine.snapshot && { snapshot: () => copiesOf(machine) }),
    ...(machine.restore && {
      restore: async (chunks, at) => {
        let isComplete = false;
        async function* watched(): AsyncIterable<Uint8Array> {
          yield* chunks;
          isComplete = true;
        }
        await machine.restore?.(watched(), at);
        // If chunks remain unread, the checksum at the end of the snapshot has not been verified.
        if (!isComplete) throw new TypeError('restore resolved before it had read all chunks');
      },
    }),
  };
}

/**
 * Yields copies of the state machine's snapshot chunks, so that the machine may reuse their memory.
 */
async function* copiesOf(machine: StateMachine): AsyncIterable<Uint8Array> {
  const chunks: AsyncIterable<unknown> | undefined = machine.snapshot?.();
  if (typeof chunks?.[Symbol.asyncIterator] !== 'function')
    throw new TypeError(`snapshot must return an async iterable, not ${describe(chunks)}`);
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError(`snapshot must yield Uint8Arrays, not ${describe(chunk)}`);
    yield new Uint8Array(chunk);
  }
}
