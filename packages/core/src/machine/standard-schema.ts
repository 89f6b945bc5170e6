import { isThenable } from '../node/thenable.js';

/**
 * The interface of validators. It is copied from the Standard Schema specification (version 1), as
 * the specification recommends. Zod, Valibot and ArkType implement this interface.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Returns a validator's output for an input. Throws if the input is invalid. */
export function validate(schema: StandardSchemaV1, input: unknown): unknown {
  const checked = schema['~standard'].validate(input);
  if (isThenable(checked)) {
    // This handler prevents an unhandled rejection of the promise.
    checked.then(undefined, () => {});
    throw new TypeError('The validator returned a promise. Only synchronous validators can be used.');
  }
  if (checked.issues === undefined) return checked.value;
  throw new TypeError(checked.issues.map(describeIssue).join('; '), { cause: checked.issues });
}

function describeIssue({ message, path = [] }: SchemaIssue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
}
