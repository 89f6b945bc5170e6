import { KontikiError, type ErrorCode } from '../errors.js';
import { SystemClock } from '../node/system-clock.js';
import { isThenable } from '../node/thenable.js';
import type { Clock } from '../ports/clock.js';
import type { ApplyBatch, StateMachine } from '../ports/state-machine.js';
import { inFront } from './chunk-reader.js';
import { isCommandError } from './command-error.js';
import type { Behavior, CommandContext, Definition } from './definition.js';
import type { Outcome } from './outcome.js';
import { encodeProposal } from './proposal.js';
import { decodeRecord, encodeRaise, type CommandRecord, type RaiseRecord } from './record.js';
import { encodeHead, readHead, SNAPSHOT_FORMAT } from './snapshot-head.js';
import type { SessionEntry } from './sessions/session-machine.js';
import { decodeState, encodeState } from './state-encoding.js';

/** One server's copy of a defined state machine. Implements the state machine port of a node. */
export class Replica<State = unknown> implements StateMachine<Outcome> {
  readonly version: number = SNAPSHOT_FORMAT;
  readonly #behaviors: Definition['behaviors'];
  readonly #clock: Pick<Clock, 'now' | 'defer'>;
  /** The version that committed entries have activated; undefined before the first command. */
  #raised: Behavior | undefined;
  #state: unknown;

  /**
   * Creates a replica. `clock` determines when the encoding of a large state yields to other work.
   */
  constructor(definition: Definition<State>, clock: Pick<Clock, 'now' | 'defer'> = new SystemClock()) {
    this.#behaviors = definition.behaviors;
    this.#clock = clock;
    this.#state = this.inForce.initial();
  }

  /**
   * The version in force. The first command in the log determines the first version in force: the
   * version for which the command was proposed. This is the earliest version in the program of the
   * proposing server, so that servers with earlier programs can run the command.
   */
  get inForce(): Behavior {
    return this.#raised ?? this.#behaviors[0];
  }

  /** The version that committed entries have activated; 0 before the first command. */
  get raised(): number {
    return this.#raised?.version ?? 0;
  }

  /** The newest version of the state machine that this program has. */
  get behavior(): number {
    return this.#behaviors.at(-1)?.version as number;
  }

  /** The state of the machine. Only commands may change the state. */
  get state(): State {
    return this.#state as State;
  }

  /**
   * Encodes a command for the version in force, like `TypedNode.execute`. Throws
   * `KONTIKI_UNKNOWN_COMMAND` or `KONTIKI_BAD_INPUT` if the command cannot be proposed.
   */
  encode(name: string, input?: unknown, room = 0): Uint8Array {
    return encodeProposal(this.inForce, name, input, room);
  }

  /** Encodes the command that puts a later version in force, like `TypedNode.raiseVersion`. */
  encodeRaise(to: number): Uint8Array {
    return encodeRaise({ from: this.raised, to });
  }

  /** The log time in milliseconds at which the state changes next without a command. */
  get nextExpiry(): number | undefined {
    return this.#raised?.expiry?.next(this.#state);
  }

  apply({ entries, time }: ApplyBatch): Outcome[] {
    const outcomes = entries.map((entry) => {
      this.#expire(entry.time);
      return this.#apply(entry);
    });
    this.#expire(time);
    return outcomes;
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    const head = encodeHead(this.raised);
    if (this.#raised === undefined) return yield head;
    const { snapshot } = this.#raised;
    yield* inFront([head], snapshot?.write(this.#state) ?? encodeState(this.#state, this.#clock));
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { version, state } = await readHead(chunks);
    if (version === 0) {
      for await (const _ of state);
      this.#begin(undefined);
      return;
    }
    const behavior = this.#find(version, 'The snapshot');
    this.#state = await (behavior.snapshot?.read(state) ?? decodeState(state));
    this.#raised = behavior;
  }

  /**
   * Makes all changes that are due at or before `time`. `expire` gets the due time of each change
   * instead of `time`, because `time` depends on how a server divides the log into batches.
   */
  #expire(time: number | undefined): void {
    if (time === undefined) return;
    for (let next = this.nextExpiry; next !== undefined && next <= time;) {
      this.#raised?.expiry?.expire(this.#state, next);
      const later = this.nextExpiry;
      if (later !== undefined && later <= next)
        throw new RangeError(`After the state expired at ${next}, expiry.next returned ${later}, which is not later.`);
      next = later;
    }
  }

  #begin(behavior: Behavior | undefined): void {
    this.#raised = behavior;
    this.#state = this.inForce.initial();
  }

  #apply(entry: SessionEntry): Outcome {
    const { index, term, data } = entry;
    let record: CommandRecord | RaiseRecord;
    try {
      record = decodeRecord(data);
    } catch (error) {
      return failed('KONTIKI_BAD_INPUT', `Entry ${index} is not a command of a defined state machine.`, error);
    }
    const context = { index, term, time: entry.time ?? 0, session: entry.session };
    return record.kind === 'command' ? this.#run(record, context) : this.#raise(record, index);
  }

  #run({ version, name, input: bytes }: CommandRecord, context: CommandContext): Outcome {
    const { index } = context;
    if (this.#raised === undefined) this.#begin(this.#find(version, `Entry ${index}`));
    const { commands, codec, version: inForce } = this.inForce;
    if (version !== inForce) {
      const text = `The command in entry ${index} was proposed for version ${version}, but version ${inForce} is in force.`;
      return failed('KONTIKI_BEHAVIOR', text);
    }
    const command = commands.get(name);
    if (command === undefined) {
      const text = `Version ${inForce} of the state machine has no command ${name}, which is in entry ${index}.`;
      return failed('KONTIKI_UNKNOWN_COMMAND', text);
    }
    let input: unknown;
    try {
      input = bytes && codec.decode(bytes);
    } catch (error) {
      return failed('KONTIKI_BAD_INPUT', `The input of command ${name} in entry ${index} cannot be decoded.`, error);
    }
    try {
      return { result: copyOf(command.run(this.#state, input, context), `Command ${name}`) };
    } catch (error) {
      if (isCommandError(error)) return { error };
      throw error;
    }
  }

  #raise({ from, to }: RaiseRecord, index: number): Outcome {
    const before = this.raised;
    if (from !== before || to <= before) {
      const text = `Entry ${index} raises version ${from} of the state machine to ${to}, but version ${before} is in force.`;
      return failed('KONTIKI_BEHAVIOR', text);
    }
    const target = this.#find(to, `Entry ${index}`);
    if (this.#raised === undefined) this.#begin(target);
    else {
      const passed = this.#behaviors.filter(({ version }) => version > from && version <= to);
      for (const { version, migrate } of passed) {
        if (migrate === undefined) continue;
        this.#state = migrate(this.#state);
        if (this.#state === undefined || isThenable(this.#state))
          throw new TypeError(`migrate of version ${version} must return the new state.`);
      }
      this.#raised = target;
    }
    return { result: to };
  }

  /**
   * Returns the version with a number. Throws `KONTIKI_FORMAT` if this program does not have this
   * version.
   */
  #find(version: number, what: string): Behavior {
    const found = this.#behaviors.find((behavior) => behavior.version === version);
    if (found !== undefined) return found;
    const [{ version: first }] = this.#behaviors;
    const last = first + this.#behaviors.length - 1;
    throw new KontikiError(
      'KONTIKI_FORMAT',
      `${what} needs version ${version} of the state machine, but this program has versions ${first} to ${last}. Nothing was changed. Start a program with version ${version}.`,
    );
  }
}

/**
 * Returns the outcome of a committed entry that failed without changing the state of any server.
 */
function failed(code: ErrorCode, text: string, cause?: unknown): Outcome {
  return { error: new KontikiError(code, `${text} It changed nothing.`, { cause }) };
}

/** Returns a copy of a result, which shares no objects with the state. */
export function copyOf<T>(value: T, what: string): T {
  if (isThenable(value)) {
    // This handler prevents an unhandled rejection of the promise.
    value.then(undefined, () => {});
    throw new TypeError(
      `${what} returned a promise. It must return its result, because the state may change meanwhile.`,
    );
  }
  return typeof value === 'object' && value !== null ? structuredClone(value) : value;
}
