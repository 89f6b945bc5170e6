import type { Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { Message, Received } from './message.js';
import type { Mail, Output, PageRead } from './output.js';
import type { RaftStart } from './raft-server.js';
import { Raft } from './raft.js';
import type { Timings } from './settings.js';

/** The output of one turn. Send `mail` first, then issue `write`, then process the other fields. */
export interface Turn extends Pick<
  Output,
  'write' | 'pageReads' | 'reads' | 'forwarded' | 'delegated' | 'snapshots' | 'reports'
> {
  /**
   * Messages to send now, in this order. Messages that had to wait for a durable write come first.
   */
  readonly mail: readonly Mail[];
  /** Whether another turn should follow after the other pending events have been handled. */
  readonly needsAnotherTurn: boolean;
  /**
   * The time of the next turn, on the same clock as `turn`. The driver runs a turn earlier if an
   * input arrives.
   */
  readonly wakeAt: number;
}

/**
 * Hooks into a turn of the protocol. A node uses only `propose`. A simulator also sets the other
 * fields at random.
 */
export interface TurnHooks {
  /**
   * A callback that runs after the messages have been processed and before the timers are checked.
   * It may propose commands.
   */
  readonly propose?: ((raft: Raft) => void) | undefined;
  /**
   * Whether to process messages before finished writes. Both orders must be correct. Default false.
   */
  readonly messagesFirst?: boolean | undefined;
  /**
   * Overrides whether to check the timers, and whether this process counts as stalled. Default
   * `auto`.
   */
  readonly timers?: 'auto' | 'skip' | 'onTime' | 'late' | undefined;
}

interface HeldMail {
  /** The number of the write that must be durable before the messages in `mail` are sent. */
  readonly after: number;
  readonly mail: Map<ServerId, readonly Message[]>;
}

/**
 * The layer between `Raft` and its driver, pure and synchronous. etcd has the same three layers:
 * raft, RawNode and Node. This class collects inputs until `turn` passes them to `Raft` together,
 * so all inputs that arrive while the disk or the network is busy form one batch.
 *
 * A turn enforces three rules for its driver:
 * - Messages that acknowledge entries or votes are held until the write that they depend on is
 *   durable.
 * - Writes are numbered, and a finished write implies that all earlier writes have finished.
 * - A turn that runs much later than planned only processes the messages that have arrived, and
 *   leaves the timers to the next turn. The delay came from this process itself, for example from a
 *   blocked event loop or a suspended machine. So the delay does not prove that other servers sent
 *   nothing.
 */
export class RawNode {
  readonly raft: Raft;
  #inbox: { readonly from: ServerId; readonly message: Received }[] = [];
  #pagesRead: { readonly read: PageRead; readonly entries: readonly Entry[] | undefined }[] = [];
  #held: HeldMail[] = [];
  /** The number of the newest durable write. All earlier writes are also durable. */
  #lastWritten = 0;
  /** The time for which the next turn is scheduled. */
  #plannedAt = Infinity;
  /** Whether the previous turn was late, so that it left the timers to the next turn. */
  #timersPostponed = false;

  constructor(start: RaftStart) {
    this.raft = new Raft(start);
  }

  /**
   * Whether the next turn checks timers that a late turn has postponed. All messages that have arrived
   * should be received before it.
   */
  get timersPostponed(): boolean {
    return this.#timersPostponed;
  }

  // ---- Inputs to the protocol. After calling one of these methods, call `turn` soon.

  receive(from: ServerId, message: Received): void {
    this.#inbox.push({ from, message });
  }

  /** Records that the write with this number and all earlier writes are durable. */
  written(number: number): void {
    this.#lastWritten = Math.max(this.#lastWritten, number);
  }

  /**
   * Answers a request in `Turn.pageReads`. `read` is the object from that list. `entries` is
   * undefined if the entries have been compacted in the meantime.
   */
  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    this.#pagesRead.push({ read, entries });
  }

  /**
   * Starts a linearizable read and returns its number. `Turn.reads` reports when the read may be
   * served.
   */
  read(): number {
    return this.raft.read();
  }

  applied(index: number): void {
    this.raft.applied(index);
  }

  compact(index: number): void {
    this.raft.compact(index);
  }

  setFull(full: boolean): void {
    this.raft.setFull(full);
  }

  setTimings(timings: Timings): void {
    this.raft.setTimings(timings);
  }

  // ---- Processing the inputs in a turn.

  /**
   * Passes all waiting inputs to `Raft` and returns the resulting output. `now` is the monotonic
   * time in milliseconds, and `wallOffset` is the wall clock minus that time.
   */
  turn(now: number, hooks: TurnHooks = {}, wallOffset: number = 0): Turn {
    const { raft } = this;
    const mail: Mail[] = [];
    raft.advance(now, wallOffset);
    this.#takePages();
    if (hooks.messagesFirst === true) this.#takeMessages();
    this.#takeWritten(mail);
    this.#takeMessages();
    hooks.propose?.(raft);
    this.#checkTimers(now, hooks.timers ?? 'auto');
    const output = raft.takeOutput();
    if (output.messages.size > 0) mail.push(output.messages);
    this.#holdOrSend(output, mail);
    this.#plannedAt = this.#timersPostponed ? Infinity : raft.wakeAt;
    return {
      mail,
      write: output.write,
      pageReads: output.pageReads,
      reads: output.reads,
      forwarded: output.forwarded,
      delegated: output.delegated,
      snapshots: output.snapshots,
      reports: output.reports,
      needsAnotherTurn: output.needsAnotherTurn || this.#timersPostponed,
      wakeAt: this.#plannedAt,
    };
  }

  #takePages(): void {
    if (this.#pagesRead.length === 0) return;
    const pages = this.#pagesRead;
    this.#pagesRead = [];
    for (const { read, entries } of pages) this.raft.pageRead(read, entries);
  }

  #takeMessages(): void {
    if (this.#inbox.length === 0) return;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const { from, message } of inbox) this.raft.step(from, message);
  }

  #takeWritten(mail: Mail[]): void {
    if (this.#lastWritten <= this.raft.log.lastDurableWrite) return;
    this.raft.persisted(this.#lastWritten);
    let due = 0;
    for (const held of this.#held) {
      if (held.after > this.#lastWritten) break;
      mail.push(held.mail);
      due += 1;
    }
    this.#held.splice(0, due);
  }

  #holdOrSend({ after, afterWrite }: Output, mail: Mail[]): void {
    if (afterWrite.size === 0) return;
    const newest = this.#held.at(-1);
    if (after <= this.raft.log.lastDurableWrite) mail.push(afterWrite);
    else if (newest?.after === after) addTo(newest.mail, afterWrite);
    else this.#held.push({ after, mail: new Map(afterWrite) });
  }

  #checkTimers(now: number, timers: NonNullable<TurnHooks['timers']>): void {
    if (timers === 'skip') return;
    if (timers !== 'auto') {
      this.#timersPostponed = false;
      return this.raft.tick(timers === 'late');
    }
    const late = now > this.#plannedAt + this.raft.timings.heartbeat;
    // Never postpone the timers in two consecutive turns. Otherwise, a process whose turns are
    // always late could never start an election.
    const postpone = late && !this.#timersPostponed;
    if (!postpone) this.raft.tick(late || this.#timersPostponed);
    this.#timersPostponed = postpone;
  }
}

/**
 * Adds messages to `held`, the messages that wait for the same write. A newer answer replaces an
 * older one of the same kind and stream if the older one contains no additional information.
 * Otherwise, answers to heartbeats and probes would accumulate while the disk is stalled.
 */
function addTo(held: Map<ServerId, readonly Message[]>, mail: Mail): void {
  for (const [to, messages] of mail) {
    const kept = (held.get(to) ?? []).filter((old) => !messages.some((message) => replaces(message, old)));
    held.set(to, [...kept, ...messages]);
  }
}

function replaces(message: Message, old: Message): boolean {
  if (message.kind !== old.kind || !('to' in message && 'to' in old) || message.to !== old.to) return false;
  if (message.kind === 'proposeReply') return false;
  if (message.kind === 'delegateReply') return message.ticket === (old as typeof message).ticket;
  if ('stream' in message && 'stream' in old && message.stream !== old.stream) return false;
  if (message.kind === 'appendAccepted' && old.kind === 'appendAccepted') return message.match >= old.match;
  return message.kind !== 'appendRejected' || message.prevIndex === (old as typeof message).prevIndex;
}
