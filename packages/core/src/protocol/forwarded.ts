import type { ServerId } from '../log/server.js';
import type { Propose } from './message.js';

/**
 * The forwarded proposals that a server has handled. A network may deliver a message twice, and late.
 * But a command must be appended at most once, and one that was refused must never be appended,
 * because its sender tries again.
 */
export class Forwarded {
  readonly #startTerm: number;
  /** The newest ticket of each server's current start. */
  readonly #newest = new Map<ServerId, { readonly incarnation: number; readonly ticket: number }>();

  /** `startTerm`: the term in which this process started. */
  constructor(startTerm: number) {
    this.#startTerm = startTerm;
  }

  /**
   * Returns whether this is the first time that the message arrives, and notes it. Messages that were
   * overtaken by a later one do not count as the first. Neither do messages of a term in which an
   * earlier start of this server may have led. Messages of earlier starts of the sender are dropped
   * before (`Lives`).
   */
  takes(from: ServerId, { term, incarnation, ticket }: Propose): boolean {
    if (term <= this.#startTerm) return false;
    const newest = this.#newest.get(from);
    if (newest?.incarnation === incarnation && ticket <= newest.ticket) return false;
    this.#newest.set(from, { incarnation, ticket });
    return true;
  }
}
