import type { Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { Message } from './message.js';
import type { Mail, Output, PageRead } from './output.js';
import type { RaftStart } from './raft-server.js';
import { Raft } from './raft.js';
import type { Timings } from './settings.js';

/** What one turn wants done, in this order: send `mail`, issue `write`, then the rest. */
export interface Turn extends Pick<Output, 'write' | 'pageReads' | 'reads' | 'snapshots' | 'reports'> {
  /**
   * Messages that may leave now, in sending order. Mail whose write has become durable comes first.
   */
  readonly mail: readonly Mail[];
  /** Whether another turn should follow as soon as other events have been let in. */
  readonly needsAnotherTurn: boolean;
  /** The time of the next turn, in the milliseconds of `turn`, if no input comes before. */
  readonly wakeAt: number;
}

/** Decisions that a caller may take inside a turn. A simulator draws them; a node only proposes. */
export interface TurnHooks {
  /** Called after the messages and before the timers. May propose. */
  readonly propose?: ((raft: Raft) => void) | undefined;
  /**
   * Whether messages are taken before finished writes. Nothing may depend on this order. Default
   * false.
   */
  readonly messagesFirst?: boolean | undefined;
  /**
   * Replaces the judgment whether timers are checked, and whether this process was stalled. Default
   * `auto`.
   */
  readonly timers?: 'auto' | 'skip' | 'onTime' | 'late' | undefined;
}

interface HeldMail {
  /** The mail leaves when this write is durable. */
  readonly after: number;
  readonly mail: Mail;
}

/**
 * One turn of a server, pure and synchronous: the layer between `Raft` and whatever drives it (the
 * same three layers as in etcd: raft, RawNode, Node). Inputs wait here until `turn` feeds them to
 * `Raft` together, so everything that arrives while a disk or network is busy becomes one batch.
 *
 * A turn keeps three rules that every driver would have to keep. Mail that acknowledges something
 * is held until the write it depends on is durable. Writes are numbered, and a finished write
 * finishes all earlier ones. A turn that runs much later than planned is this process's own fault
 * (a blocked event loop, a suspended machine), so it proves nothing about the silence of others:
 * such a turn takes what has arrived and leaves the timers to the next turn.
 */
export class RawNode {
  readonly raft: Raft;
  #inbox: { readonly from: ServerId; readonly message: Message }[] = [];
  #pagesRead: { readonly read: PageRead; readonly entries: readonly Entry[] | undefined }[] = [];
  #held: HeldMail[] = [];
  /** All writes up to this number are durable. */
  #lastWritten = 0;
  /** The time for which the next turn was planned. */
  #plannedAt = Infinity;
  /** The previous turn was late and left the timers to this one. */
  #timersPostponed = false;

  constructor(start: RaftStart) {
    this.raft = new Raft(start);
  }

  // ---- inputs: each asks for a turn soon

  receive(from: ServerId, message: Message): void {
    this.#inbox.push({ from, message });
  }

  /** Notes that the write of this number, and every write before it, is durable. */
  written(number: number): void {
    this.#lastWritten = Math.max(this.#lastWritten, number);
  }

  /**
   * Answers `Turn.pageReads`, with the same object; undefined if the entries were compacted in the
   * meantime.
   */
  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    this.#pagesRead.push({ read, entries });
  }

  /**
   * Starts a linearizable read and returns its number. `Turn.reads` says when the read may be
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

  // ---- the turn

  /**
   * Feeds all waiting inputs to `Raft` and returns what they made due. `now`: monotonic
   * milliseconds.
   */
  turn(now: number, hooks: TurnHooks = {}): Turn {
    const { raft } = this;
    const mail: Mail[] = [];
    raft.advance(now);
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
    if (after <= this.raft.log.lastDurableWrite) mail.push(afterWrite);
    else this.#held.push({ after, mail: afterWrite });
  }

  #checkTimers(now: number, timers: NonNullable<TurnHooks['timers']>): void {
    if (timers === 'skip') return;
    if (timers !== 'auto') {
      this.#timersPostponed = false;
      return this.raft.tick(timers === 'late');
    }
    const late = now > this.#plannedAt + this.raft.timings.heartbeat;
    // Postponed once, never twice in a row: a process that is always late must still elect.
    const postpone = late && !this.#timersPostponed;
    if (!postpone) this.raft.tick(late || this.#timersPostponed);
    this.#timersPostponed = postpone;
  }
}
