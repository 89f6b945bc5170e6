import { describe } from '../node/describe.js';
import { badOption, refuseNames, type Names } from '../node/options.js';
import { messageOf } from '../store/failure.js';
import { jsonCodec, type Codec } from './json-codec.js';
import { MAX_NAME_BYTES } from './record.js';
import type { StandardSchemaV1 } from './standard-schema.js';
import { checkPlain } from './state-encoding.js';

/** The place and time of a command, which the command receives as an argument. */
export interface CommandContext {
  /** The index of the command's log entry. */
  readonly index: number;
  /** The term of that entry. */
  readonly term: number;
  /**
   * Milliseconds of log time. All servers see the same time, which advances at most as fast as real
   * time and never decreases. A command must use no other clock.
   */
  readonly time: number;
  /** The number of the client's session; undefined if the command has none. */
  readonly session: number | undefined;
}

type Run<State, Input> = (state: State, input: Input, context: CommandContext) => unknown;

/**
 * A command of a state machine. It is either a function, or an object with a function and a
 * validator of the function's input.
 */
export type CommandOf<State, Schema> =
  Run<State, never> | { readonly input: Schema; readonly run: Run<State, OutputOf<Schema>> };

type OutputOf<Schema> = Schema extends StandardSchemaV1<unknown, infer Output> ? Output : never;

/** The types of a call's argument and result. */
export interface Signature {
  readonly input: unknown;
  readonly result: unknown;
}

/** The signature of a command or a query. */
export interface SignatureOf<Call> {
  readonly input: Call extends { readonly input: StandardSchemaV1<infer Input, unknown> } ? Input : ArgumentOf<Call>;
  readonly result: Call extends { readonly run: (...args: never) => infer Result }
    ? Result
    : Call extends (...args: never) => infer Result
      ? Result
      : never;
}

/** The signatures of commands or queries by name. */
export type SignaturesOf<Calls> = { readonly [Name in keyof Calls]: SignatureOf<Calls[Name]> };

type ArgumentOf<Call> = Call extends (state: never, ...rest: infer Rest) => unknown
  ? Rest extends []
    ? undefined
    : Rest extends [(infer Input)?, ...unknown[]]
      ? Input
      : never
  : never;

/**
 * The signatures of the calls that are valid while either of two versions may be in force. Inputs
 * must be valid for both versions, and results may come from either version.
 */
export type CompatibleCalls<New, Old> = {
  readonly [Name in keyof New]: Name extends keyof Old
    ? {
        readonly input: InputOf<New[Name]> & InputOf<Old[Name]>;
        readonly result: ResultOf<New[Name]> | ResultOf<Old[Name]>;
      }
    : New[Name];
};
type InputOf<Call> = Call extends { readonly input: infer Input } ? Input : never;
type ResultOf<Call> = Call extends { readonly result: infer Result } ? Result : never;

/** Methods that write and read snapshots of a state that is not plain data. */
export interface StateSnapshot<State> {
  /**
   * Returns the encoded state, in chunks of any size. Before it yields the first chunk, this method
   * must copy all data that later commands may change. The node applies later commands while it
   * reads the remaining chunks.
   */
  write(state: State): AsyncIterable<Uint8Array>;
  /** Resolves with the state that `write` encoded. Must read `chunks` to the end. */
  read(chunks: AsyncIterable<Uint8Array>): Promise<State>;
}

/** Functions that change a state when log time passes, for example to remove expired locks. */
export interface Expiry<State> {
  /**
   * Returns the log time in milliseconds at which the state changes next without a command, or
   * undefined. It is called before each command and after each batch, so it must be fast.
   */
  next(state: State): number | undefined;
  /**
   * Makes the changes that are due at `time`, which `next` returned and which log time has
   * reached. After this call, `next` must return a later time, or undefined. An exception stops
   * every server.
   */
  expire(state: State, time: number): void;
}

/** One version of a state machine, without its types. */
export interface Behavior {
  readonly version: number;
  readonly initial: () => unknown;
  readonly commands: ReadonlyMap<string, Command>;
  readonly queries: ReadonlyMap<string, Query>;
  readonly codec: Codec;
  readonly snapshot: StateSnapshot<unknown> | undefined;
  readonly expiry: Expiry<unknown> | undefined;
  readonly migrate: ((state: unknown) => unknown) | undefined;
}

type Query = (state: unknown, input: unknown) => unknown;

interface Command {
  readonly input: StandardSchemaV1 | undefined;
  readonly run: Run<unknown, unknown>;
}

/**
 * A state machine made of typed commands and queries. It contains the newest version, and the
 * earlier versions that logs and snapshots may still need. A definition has no state, so any number
 * of servers can share it.
 */
export interface Definition<State = unknown, Commands = unknown, Queries = unknown> {
  readonly version: number;
  /** All versions of the state machine, in ascending order without gaps. */
  readonly behaviors: readonly [Behavior, ...Behavior[]];
  /** The types of the state, the commands and the queries. This field is undefined at run time. */
  readonly types?: { readonly state: State; readonly commands: Commands; readonly queries: Queries };
}

/** Requires the option `migrate` if the state of the previous version has a different type. */
type Migrates<State, Previous> =
  Previous extends Definition<infer Old>
    ? [Old] extends [State]
      ? unknown
      : { migrate: (state: Old) => State }
    : unknown;

/** The options that define one version of a state machine. */
export interface DefinitionOptions<State, Commands, Schemas, Queries, Previous> {
  /**
   * The version of the state machine's behavior, starting at 1. Default 1, or the version of
   * `previous` plus one.
   */
  readonly version?: number | undefined;
  /**
   * The definition of the previous version. Keep this definition until every server has a snapshot
   * that was taken with a later version. Until then, logs and older snapshots may need the previous
   * version.
   */
  readonly previous?: Previous | undefined;
  /** Returns the state before the first command. */
  readonly initial: () => State;
  /**
   * The commands of the state machine by name. A command changes the state and returns a result,
   * which is copied. A command must be deterministic: no clock, no randomness, no I/O, no promises.
   * It throws a `CommandError` to report a failure. Any other exception stops every server.
   */
  readonly commands: Commands & { readonly [Name in keyof Schemas]: CommandOf<State, Schemas[Name]> };
  /**
   * The queries of the state machine by name. A query returns information about the state, and the
   * returned value is copied.
   */
  readonly queries?: Queries & Readonly<Record<string, (state: State, input: never) => unknown>>;
  /** The codec for the inputs of commands. Default: JSON. */
  readonly codec?: Codec | undefined;
  /** Methods that write and read snapshots. Required if the state is not plain data. */
  readonly snapshot?: StateSnapshot<NoInfer<State>> | undefined;
  /**
   * Functions that change the state when log time passes. Default: only commands change the state.
   * Needs feature level 2.
   */
  readonly expiry?: Expiry<NoInfer<State>> | undefined;
  /**
   * Converts a state of the previous version to a state of this version. Default: the state does
   * not change.
   */
  readonly migrate?: ((state: StateOf<Previous>) => NoInfer<State>) | undefined;
}

type StateOf<D> = D extends Definition<infer State> ? State : never;
type CommandsOf<D> = D extends Definition<unknown, infer Commands> ? Commands : unknown;
type QueriesOf<D> = D extends Definition<unknown, unknown, infer Queries> ? Queries : unknown;

const known: Names<DefinitionOptions<unknown, unknown, unknown, unknown, unknown>> = {
  version: true,
  previous: true,
  initial: true,
  commands: true,
  queries: true,
  codec: true,
  snapshot: true,
  expiry: true,
  migrate: true,
};

const expiryNames: Names<Expiry<unknown>> = { next: true, expire: true };

/**
 * Defines a state machine by its commands and queries. Throws `KONTIKI_BAD_OPTION` if the
 * definition is invalid.
 */
export function defineStateMachine<
  State,
  Commands extends object,
  Schemas extends object,
  Queries extends object = Record<never, never>,
  Previous extends Definition | undefined = undefined,
>(
  options: DefinitionOptions<State, Commands, Schemas, Queries, Previous> & Migrates<State, Previous>,
): Definition<
  State,
  CompatibleCalls<SignaturesOf<Commands>, CommandsOf<Previous>>,
  CompatibleCalls<SignaturesOf<Queries>, QueriesOf<Previous>>
> {
  const { previous, initial, queries = {}, codec = jsonCodec, snapshot, expiry, migrate } = options;
  const refused = refuseNames('definition', options, known);
  if (refused !== undefined) throw refused;
  const { version = (previous?.version ?? 0) + 1 } = options;
  if (!(Number.isInteger(version) && version >= 1 && version <= 0xffff_ffff))
    throw badOption(`The version of a state machine must be an integer from 1 on, not ${describe(version)}.`);
  if (previous !== undefined && version !== previous.version + 1)
    throw badOption(`Version ${version} cannot follow version ${previous.version}, because versions have no gaps.`);
  checkFunction('initial', initial);
  if (migrate !== undefined) checkFunction('migrate', migrate);
  if (expiry !== undefined) {
    const unknown = refuseNames('definition.expiry', Object(expiry) as object, expiryNames);
    if (unknown !== undefined) throw unknown;
    const { next, expire } = Object(expiry) as Partial<Expiry<State>>;
    checkFunction('expiry.next', next);
    checkFunction('expiry.expire', expire);
  }
  const behavior: Behavior = {
    version,
    initial,
    commands: new Map(Object.entries(options.commands).map(([name, command]) => [name, commandOf(name, command)])),
    queries: new Map(Object.entries(queries).map(([name, query]) => [name, checkFunction(`Query ${name}`, query)])),
    codec,
    snapshot: snapshot as StateSnapshot<unknown> | undefined,
    expiry: expiry as Expiry<unknown> | undefined,
    migrate: migrate as ((state: unknown) => unknown) | undefined,
  };
  if (snapshot === undefined) checkInitial(initial());
  return { version, behaviors: [...(previous?.behaviors ?? []), behavior] as unknown as [Behavior] };
}

function commandOf(name: string, command: unknown): Command {
  const { input, run } = typeof command === 'function' ? { run: command } : ((command ?? {}) as Partial<Command>);
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES)
    throw badOption(`The name of a command has at most ${MAX_NAME_BYTES} bytes, unlike ${describe(name)}.`);
  if (input !== undefined && typeof input['~standard']?.validate !== 'function')
    throw badOption(`The input of command ${name} must be a validator that implements Standard Schema.`);
  return { input, run: checkFunction(`Command ${name}`, run) };
}

function checkFunction<F>(what: string, run: unknown): F {
  if (typeof run !== 'function') throw badOption(`${what} must be a function, not ${describe(run)}.`);
  if (Object.prototype.toString.call(run) === '[object AsyncFunction]')
    throw badOption(`${what} must not be asynchronous, because the state may change while it waits.`);
  return run as F;
}

function checkInitial(state: unknown): void {
  try {
    checkPlain(state);
  } catch (error) {
    throw badOption(
      `The initial state is not plain data, so the definition needs the option snapshot. ${messageOf(error)}`,
    );
  }
}
