import { KontikiError, type ErrorCode } from '../../errors.js';
import type { CommandEntry } from '../../log/entry.js';
import { faultOf } from '../../node/apply/result-fault.js';
import { badOption } from '../../node/options.js';
import { isThenable } from '../../node/thenable.js';
import { SystemClock } from '../../node/system-clock.js';
import type { Clock } from '../../ports/clock.js';
import type { ApplyBatch, RestorePoint, StateMachine } from '../../ports/state-machine.js';
import { Reader } from '../../wire/index.js';
import { ChunkReader, inFront } from '../chunk-reader.js';
import { decodeSessionRecord, type SessionRecord } from './record.js';
import { plainResults, type ResultCodec } from './results.js';
import { MAGIC, readSessions, writeSessions } from './session-snapshot.js';
import { DROPPED, SessionTable, type Admission } from './session-table.js';

/** The result of a session record that did not reach the state machine. */
export interface Refused {
  readonly error: KontikiError;
}

/**
 * The symbol that marks refusals. Results of the application cannot be mistaken for them, and other
 * copies of this package recognize them.
 */
const BRAND: symbol = Symbol.for('kontiki.refused');

export function refusal(error: KontikiError): Refused {
  return Object.defineProperty({ error }, BRAND, { value: true });
}

/** Returns whether a result comes from the sessions rather than from the state machine. */
export function isRefused(result: unknown): result is Refused {
  return typeof result === 'object' && result !== null && BRAND in result;
}

/** A command as the wrapped state machine receives it. */
export interface SessionEntry extends CommandEntry {
  /** The number of the client's session; undefined if the command has none. */
  readonly session?: number | undefined;
}

/** The place of an entry's result, and how to find the result after the batch has been applied. */
interface Step<Result> {
  /** The position of the command in the batch for the wrapped machine; -1 if it is not applied. */
  readonly at: number;
  readonly admission: Admission | undefined;
  /** The result of a record that did not reach the wrapped machine. Opening a session has none. */
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
  readonly #clock: Pick<Clock, 'now' | 'defer'>;
  #table = new SessionTable();
  snapshot?: () => AsyncIterable<Uint8Array>;

  /**
   * `clock` determines when the encoding of many sessions yields to other work. Throws
   * `KONTIKI_BAD_OPTION` if the machine stores its own state, because sessions would be lost.
   */
  constructor(
    machine: StateMachine<Result>,
    results: ResultCodec<Result> = plainResults as ResultCodec<Result>,
    clock: Pick<Clock, 'now' | 'defer'> = new SystemClock(),
  ) {
    if (machine.open !== undefined)
      throw badOption('A state machine with sessions cannot store its own state: remove its method open.');
    this.#machine = machine;
    this.#results = results;
    this.#clock = clock;
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

  get nextExpiry(): number | undefined {
    return this.#machine.nextExpiry;
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
    try {
      const start = await stream.take(4);
      const hasSessions = start.length === 4 && new Reader(start).u32() === MAGIC;
      const table = hasSessions ? await readSessions(stream, this.#clock) : new SessionTable();
      await this.#machine.restore?.(stream.rest(hasSessions ? undefined : start), at);
      this.#table = table;
    } finally {
      await stream.close();
    }
  }

  async *#snapshot(): AsyncGenerator<Uint8Array> {
    const state = this.#machine.snapshot?.() as AsyncIterable<Uint8Array>;
    // Before the first session, an earlier version of the program may still have to read the
    // snapshot.
    if (this.#table.isUnused) return yield* state;
    yield* inFront(writeSessions(this.#table.copy(), this.#clock), state);
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
      if (admission === undefined) return (at < 0 ? result : applied[at]) as Result | Refused;
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
    const text = `Command ${admission.sequence} of session ${admission.session.id} was applied once, but its result could not be kept. Read the state instead.`;
    if (kept === DROPPED) return refusal(new KontikiError('KONTIKI_RESULT_LOST', text));
    try {
      return this.#results.decode(kept);
    } catch (error) {
      // A later version of the program may have another codec. An exception would stop every server.
      return refusal(new KontikiError('KONTIKI_RESULT_LOST', text, { cause: error }));
    }
  }
}

function refused(code: ErrorCode, text: string, cause?: unknown): Step<never> {
  return { at: -1, admission: undefined, result: refusal(new KontikiError(code, text, { cause })) };
}

function refusedCall({ sequence, settled, session }: Admission): Refused {
  const why = sequence <= settled ? `its client has settled ${settled}` : `only ${settled} is settled`;
  const text = `Command ${sequence} of session ${session.id} was refused, because ${why}. This attempt changed nothing.`;
  return refusal(new KontikiError('KONTIKI_BAD_INPUT', text));
}

function ended(session: number): string {
  return `Session ${session} has ended, because it was not used for too long or too many sessions were opened. This attempt changed nothing. Open another session.`;
}
