/** What operations on one key do, one after the other. */
export interface Model<State, Input> {
  readonly initial: State;
  /** The state after an operation; undefined when it cannot have been answered so in this state. */
  step(state: State, input: Input): State | undefined;
  /** Equal for equal states, and for no others. */
  fingerprint(state: State): string;
  /** What an operation that changed the state has put there, and what one has seen there: as long as it was seen, it is needed. */
  puts(input: Input): string | undefined;
  sees(input: Input): readonly string[];
}

/** `null`: nothing is there. Values should be unique, or less can be told. */
export type RegisterInput =
  | { readonly type: 'read'; readonly value: string | null }
  | { readonly type: 'write'; readonly value: string | null }
  /** Writes `value` if `expected` is there; `done`: whether it was, left out when the outcome is unknown. */
  | { readonly type: 'cas'; readonly expected: string | null; readonly value: string; readonly done?: boolean };

/** One value: read, written, deleted, compared and set. */
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

export type ListInput =
  { readonly type: 'append'; readonly value: string } | { readonly type: 'read'; readonly values: readonly string[] };

/** A list that is appended to and read whole: a read tells the order of everything before it. */
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
