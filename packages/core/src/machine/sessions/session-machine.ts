import { KontikiError, type ErrorCode } from '../../errors.js';
import type { CommandEntry } from '../../log/entry.js';
import { faultOf } from '../../node/apply/result-fault.js';
import { badOption } from '../../node/options.js';
import { isThenable } from '../../node/thenable.js';
import type { ApplyBatch, RestorePoint, StateMachine } from '../../ports/state-machine.js';
import { Reader, Writer } from '../../wire/index.js';
import { ChunkReader, withHead } from '../chunk-reader.js';
import { foreign } from '../snapshot-head.js';
import { decodeSessionRecord, type SessionRecord } from './record.js';
import { plainResults, type ResultCodec } from './results.js';
import { DROPPED, SessionTable, type Admission } from './session-table.js';

/** The result of a session record that did not reach the state machine. */
export interface Refused {
  readonly refused: true;
  readonly error: KontikiError;
}

/** Returns whether a result comes from the sessions rather than from the state machine. */
export function isRefused(result: unknown): result is Refused {
  return (result as Partial<Refused> | null | undefined)?.refused === true;
}

/** A command as the wrapped state machine receives it. */
export interface SessionEntry extends CommandEntry {
  /** The number of the client's session; undefined if the command has none. */
  readonly session?: number | undefined;
}

/** The first bytes of a snapshot with sessions, and the version of its format. */
const MAGIC = 0x5345_534b;
const VERSION = 1;
const HEAD = 16;

/** The place of an entry's result, and how to find the result after the batch has been applied. */
interface Step<Result> {
  /** The position of the command in the batch for the wrapped machine; -1 if it is not applied. */
  readonly at: number;
  readonly admission: Admission | undefined;
  /** The result, if it is known without the wrapped machine. */
  readonly result: Result | Refused | undefined;
}

/**
 * Adds client sessions to a state machine, so that a client can retry a command whose outcome it
 * does not know: the command is applied once, and the retry gets the result of the first attempt
 * (thesis §6.3). Commands without a session reach the machine unchanged.
 *
 * The sessions are part of the snapshots. The results of commands must be plain data, or
 * `results` must encode them. If a result cannot be encoded, or does not fit into the session, a
 * retry rejects with `KONTIKI_RESULT_LOST`. Snapshots of the machine without sessions can be
 * restored.
 */
export class SessionMachine<Result> implements StateMachine<Result | Refused> {
  readonly #machine: StateMachine<Result>;
  readonly #results: ResultCodec<Result>;
  #table = new SessionTable();
  snapshot?: () => AsyncIterable<Uint8Array>;

  /** Throws `KONTIKI_BAD_OPTION` if the machine stores its own state, because sessions would be lost. */
  constructor(machine: StateMachine<Result>, results: ResultCodec<Result> = plainResults as ResultCodec<Result>) {
    if (machine.open !== undefined)
      throw badOption('A state machine with sessions cannot store its own state: remove its method open.');
    this.#machine = machine;
    this.#results = results;
    if (machine.snapshot !== undefined) this.snapshot = (): AsyncIterable<Uint8Array> => this.#snapshot();
  }

  get version(): number | undefined {
    return this.#machine.version;
  }

  get behavior(): number | undefined {
    return this.#machine.behavior;
  }

  get blocksApply(): boolean | undefined {
    return this.#machine.blocksApply;
  }

  apply(batch: ApplyBatch): (Result | Refused)[] | Promise<(Result | Refused)[]> {
    const commands: SessionEntry[] = [];
    const steps = batch.entries.map((entry) => this.#admit(entry, commands));
    const { through, time } = batch;
    const applied = this.#machine.apply({ entries: commands, through, time });
    const finish = (results: readonly Result[]): (Result | Refused)[] => {
      const fault = faultOf(results, commands.length);
      if (fault !== undefined) throw new TypeError(fault);
      return this.#finish(steps, results);
    };
    return isThenable(applied) ? Promise.resolve(applied).then(finish) : finish(applied);
  }

  async restore(chunks: AsyncIterable<Uint8Array>, at: RestorePoint): Promise<void> {
    const stream = new ChunkReader(chunks);
    const head = await stream.take(HEAD);
    const hasSessions = head.length === HEAD && new Reader(head).u32() === MAGIC;
    const table = hasSessions ? await readTable(head, stream) : new SessionTable();
    await this.#machine.restore?.(stream.rest(hasSessions ? undefined : head), at);
    this.#table = table;
  }

  async *#snapshot(): AsyncGenerator<Uint8Array> {
    const state = this.#machine.snapshot?.() as AsyncIterable<Uint8Array>;
    // Before the first session, an earlier version of the program may still have to read the
    // snapshot.
    if (this.#table.isUnused) return yield* state;
    const table = this.#table.encode();
    const writer = new Writer(HEAD + table.length);
    writer.u32(MAGIC);
    writer.u32(VERSION);
    writer.u53(table.length);
    writer.raw(table);
    yield* withHead(writer.bytes, state);
  }

  /** The first pass over an entry. Adds its command to `commands` if the machine must apply it. */
  #admit(entry: CommandEntry, commands: SessionEntry[]): Step<Result> {
    const { kind, index, term, time, data } = entry;
    let record: SessionRecord | undefined;
    try {
      // Entries without a log time are older than sessions, so they are commands of any form.
      record = time === undefined ? undefined : decodeSessionRecord(data);
    } catch (error) {
      return refused('KONTIKI_BAD_INPUT', `Entry ${index} is not a valid session record. It changed nothing.`, error);
    }
    if (record === undefined || time === undefined) return this.#pass(entry, commands);
    if (record.kind === 'plain') return this.#pass({ ...entry, data: record.command }, commands);
    if (record.kind === 'open') {
      if (this.#table.open(record, time)) return { at: -1, admission: undefined, result: undefined };
      return refused('KONTIKI_BAD_INPUT', `Session ${record.session} is open already. Draw another number.`);
    }
    const admission = this.#table.admit(record, time);
    if (admission === undefined) return refused('KONTIKI_SESSION', ended(record.session));
    if (admission.kind !== 'apply') return { at: -1, admission, result: undefined };
    const { session, command } = record;
    return { at: commands.push({ kind, index, term, time, session, data: command }) - 1, admission, result: undefined };
  }

  /** Passes a command without a session to the machine. */
  #pass(entry: CommandEntry, commands: SessionEntry[]): Step<Result> {
    return { at: commands.push(entry) - 1, admission: undefined, result: undefined };
  }

  /** The second pass over a batch. */
  #finish(steps: readonly Step<Result>[], applied: readonly Result[]): (Result | Refused)[] {
    return steps.map(({ at, admission, result }) => {
      if (admission === undefined) return result ?? (applied[at] as Result);
      this.#table.forget(admission);
      if (admission.kind === 'refused') return refusedCall(admission);
      if (admission.kind === 'repeat') return this.#recall(admission);
      const fresh = applied[at] as Result;
      this.#table.keep(admission, this.#encode(fresh));
      return fresh;
    });
  }

  #encode(result: Result): string | typeof DROPPED {
    try {
      return this.#results.encode(result);
    } catch {
      return DROPPED;
    }
  }

  #recall(admission: Admission): Result | Refused {
    const kept = this.#table.recall(admission);
    if (kept !== DROPPED) return this.#results.decode(kept);
    const text = `Command ${admission.sequence} of session ${admission.session.id} was applied once, but its result was too large to keep. Read the state instead.`;
    return { refused: true, error: new KontikiError('KONTIKI_RESULT_LOST', text) };
  }
}

async function readTable(head: Uint8Array, stream: ChunkReader): Promise<SessionTable> {
  const reader = new Reader(head);
  reader.u32();
  const version = reader.u32();
  if (version !== VERSION) throw foreign(`has sessions of format ${version}, not ${VERSION}`);
  const bytes = await stream.take(decoded(() => reader.u53()));
  return decoded(() => SessionTable.decode(bytes));
}

/** Returns what a decoder returns. Any error means that the sessions cannot be decoded. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw foreign('has sessions that cannot be decoded', error);
  }
}

function refused(code: ErrorCode, text: string, cause?: unknown): Step<never> {
  const error = new KontikiError(code, text, { cause });
  return { at: -1, admission: undefined, result: { refused: true, error } };
}

function refusedCall({ sequence, settled, session }: Admission): Refused {
  const why = sequence <= settled ? `its client has settled ${settled}` : `only ${settled} is settled`;
  const text = `Command ${sequence} of session ${session.id} was refused, because ${why}. This attempt changed nothing.`;
  return { refused: true, error: new KontikiError('KONTIKI_BAD_INPUT', text) };
}

function ended(session: number): string {
  return `Session ${session} has ended, because it was not used for too long or too many sessions were opened. This attempt changed nothing. Open another session.`;
}
