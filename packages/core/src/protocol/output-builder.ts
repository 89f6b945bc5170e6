import type { ServerId } from '../log/server.js';
import type { Message, ProposeReply } from './message.js';
import type { DelegateEvent, PageRead, Mail, Output, ReadsReady, Report, SnapshotEvent, Write } from './output.js';

type Sorted = Map<ServerId, Message[]>;

// Most turns of the protocol produce little output, so they share these empty values.
const noMail: Mail = new Map();
const noPageReads: readonly PageRead[] = [];
const noSnapshots: readonly SnapshotEvent[] = [];
const noReports: readonly Report[] = [];
const noReplies: readonly ProposeReply[] = [];
const noCalls: readonly DelegateEvent[] = [];

function put(mail: Sorted, to: ServerId, message: Message): void {
  const list = mail.get(to);
  if (list === undefined) mail.set(to, [message]);
  else list.push(message);
}

/** Collects the output of one turn of the protocol. */
export class OutputBuilder {
  #messages: Sorted | undefined;
  #afterWrite: Sorted | undefined;
  #pageReads: PageRead[] | undefined;
  #snapshots: SnapshotEvent[] | undefined;
  #reports: Report[] | undefined;
  #reads: ReadsReady | undefined;
  #forwarded: ProposeReply[] | undefined;
  #delegated: DelegateEvent[] | undefined;
  #needsAnotherTurn = false;

  /** Queues a message to be sent immediately. */
  send(to: ServerId, message: Message): void {
    put((this.#messages ??= new Map()), to, message);
  }

  /** Queues a message to be sent once all changes so far are durable. */
  sendAfterWrite(to: ServerId, message: Message): void {
    put((this.#afterWrite ??= new Map()), to, message);
  }

  readPage(read: PageRead): void {
    (this.#pageReads ??= []).push(read);
  }

  snapshot(event: SnapshotEvent): void {
    (this.#snapshots ??= []).push(event);
  }

  report(report: Report): void {
    (this.#reports ??= []).push(report);
  }

  /**
   * Records that reads are ready. Replaces the argument of any earlier call, because the new index
   * is also high enough for the earlier reads.
   */
  readsReady(reads: ReadsReady): void {
    this.#reads = reads;
  }

  forwarded(reply: ProposeReply): void {
    (this.#forwarded ??= []).push(reply);
  }

  delegated(event: DelegateEvent): void {
    (this.#delegated ??= []).push(event);
  }

  /** Requests another turn, which runs after all other pending events have been handled. */
  requestAnotherTurn(): void {
    this.#needsAnotherTurn = true;
  }

  /**
   * Returns the collected output, together with the write of this turn and the number of the newest
   * write.
   */
  take(write: Write | undefined, after: number): Output {
    const output: Output = {
      messages: this.#messages ?? noMail,
      write,
      afterWrite: this.#afterWrite ?? noMail,
      after,
      pageReads: this.#pageReads ?? noPageReads,
      reads: this.#reads,
      forwarded: this.#forwarded ?? noReplies,
      delegated: this.#delegated ?? noCalls,
      snapshots: this.#snapshots ?? noSnapshots,
      reports: this.#reports ?? noReports,
      needsAnotherTurn: this.#needsAnotherTurn,
    };
    this.#messages = undefined;
    this.#afterWrite = undefined;
    this.#pageReads = undefined;
    this.#snapshots = undefined;
    this.#reports = undefined;
    this.#reads = undefined;
    this.#forwarded = undefined;
    this.#delegated = undefined;
    this.#needsAnotherTurn = false;
    return output;
  }
}
