import type { ServerId } from '../log/server.js';
import type { Message } from './message.js';
import type { Load, Output, ReadsReady, Report } from './output.js';

type Sorted = Map<ServerId, Message[]>;

function put(mail: Sorted, to: ServerId, message: Message): void {
  const list = mail.get(to);
  if (list === undefined) mail.set(to, [message]);
  else list.push(message);
}

/** Collects what one turn wants done, until the node takes it. */
export class Outbox {
  #messages: Sorted = new Map();
  #afterWrite: Sorted = new Map();
  #loads: Load[] = [];
  #reports: Report[] = [];
  #reads: ReadsReady | undefined;
  #again = false;

  /** A message that may leave at once. */
  send(to: ServerId, message: Message): void {
    put(this.#messages, to, message);
  }

  /** A message that leaves when everything changed so far is durable. */
  sendAfterWrite(to: ServerId, message: Message): void {
    put(this.#afterWrite, to, message);
  }

  load(load: Load): void {
    this.#loads.push(load);
  }

  report(report: Report): void {
    this.#reports.push(report);
  }

  /** Later reads are ready at an index that serves the earlier ones too. */
  readsReady(reads: ReadsReady): void {
    this.#reads = reads;
  }

  /** Something is left to be done when others have had a turn. */
  wantAnotherTurn(): void {
    this.#again = true;
  }

  take(): Omit<Output, 'write' | 'after'> {
    const taken = {
      messages: this.#messages,
      afterWrite: this.#afterWrite,
      loads: this.#loads,
      reads: this.#reads,
      reports: this.#reports,
      again: this.#again,
    };
    this.#messages = new Map();
    this.#afterWrite = new Map();
    this.#loads = [];
    this.#reports = [];
    this.#reads = undefined;
    this.#again = false;
    return taken;
  }
}
