import type { Definition, Signature } from './definition.js';

/** The signatures of a definition's commands by name. */
export type CommandsOf<D> = D extends Definition<unknown, infer Commands> ? Commands : never;

/** The signatures of a definition's queries by name. */
export type QueriesOf<D> = D extends Definition<unknown, unknown, infer Queries> ? Queries : never;

/** The arguments that follow the name of a call: its input, if it takes one, and the options. */
export type CallArguments<Call, Options> = Call extends { readonly input: infer Input }
  ? undefined extends Input
    ? [input?: Input, options?: Options]
    : [Input] extends [never]
      ? [input?: undefined, options?: Options]
      : [input: Input, options?: Options]
  : never;

/** The result of a command or a query. */
export type ResultOf<Call> = Call extends Signature ? Call['result'] : never;
