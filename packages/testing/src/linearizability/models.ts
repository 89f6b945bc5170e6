/** A sequential model of the operations on one key. */
export interface Model<State, Input> {
  readonly initial: State;
  /**
   * Returns the state after an operation, or undefined if its result is impossible in this state.
   */
  step(state: State, input: Input): State | undefined;
  /** Returns equal strings for equal states, and different strings for different states. */
  fingerprint(state: State): string;
  /** Returns the value that an operation writes. Used to minimize a counterexample. */
  puts(input: Input): string | undefined;
  /**
   * Returns the values that an operation sees. A counterexample keeps the writes of these values.
   */
  sees(input: Input): readonly string[];
}

/**
 * An operation on a register. `null` stands for an empty register. The checker finds more errors if
 * every write has a unique value.
 */
export type RegisterInput =
  | { readonly type: 'read'; readonly value: string | null }
  | { readonly type: 'write'; readonly value: string | null }
  /**
   * Writes `value` if the register's value is `expected`. `done` is true if the operation wrote the
   * value, and missing if this is unknown.
   */
  | { readonly type: 'cas'; readonly expected: string | null; readonly value: string; readonly done?: boolean };

/**
 * A model of a register, which holds one value. Clients read, write, delete, and compare-and-set
 * it.
 */
export const register: Model<string | null, RegisterInput> = {
  initial: null,
  step(state, input) {
    switch (input.type) {
      case 'read':
        return state === input.value ? state : undefined;
      case 'write':
        return input.value;
      case 'cas': {
        const holds = state === input.expected;
        if (holds !== (input.done ?? holds)) return undefined;
        return holds ? input.value : state;
      }
    }
  },
  fingerprint: (state) => JSON.stringify(state),
  puts: (input) => (input.type === 'read' ? undefined : JSON.stringify(input.value)),
  sees: (input) => {
    if (input.type === 'read') return [JSON.stringify(input.value)];
    return input.type === 'cas' ? [JSON.stringify(input.expected)] : [];
  },
};

/** An operation on a list. */
export type ListInput =
  { readonly type: 'append'; readonly value: string } | { readonly type: 'read'; readonly values: readonly string[] };

/** A model of a list to which clients append values. A read returns the whole list, in order. */
export const list: Model<readonly string[], ListInput> = {
  initial: [],
  step(state, input) {
    if (input.type === 'append') return [...state, input.value];
    const same = input.values.length === state.length && input.values.every((value, i) => value === state[i]);
    return same ? state : undefined;
  },
  fingerprint: (state) => JSON.stringify(state),
  puts: (input) => (input.type === 'append' ? input.value : undefined),
  sees: (input) => (input.type === 'read' ? input.values : []),
};
