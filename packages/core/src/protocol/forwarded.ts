import { invariant } from '../invariant.js';
import type { Position } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { ProposalRefusal, Propose } from './message.js';
import type { Server } from './role.js';

/**
 * The proposals that servers forward to their leader, on both sides. A network may deliver a message
 * twice, and late. But a command must be appended at most once, and one that was refused must never
 * be appended, because its sender tries again.
 */
export class Forwarded {
  readonly #server: Server;
  /** The term in which this process started. */
  readonly #startTerm: number;
  /** The newest ticket of a command that this server forwarded. */
  #ticket = 0;
  /**
   * The newest ticket of each server's current start. Kept for removed members, too, because a late
   * message may follow after they are added again.
   */
  readonly #newest = new Map<ServerId, { readonly incarnation: number; readonly ticket: number }>();

  constructor(server: Server) {
    this.#server = server;
    this.#startTerm = server.ballot.term;
  }

  /**
   * Whether this server can forward proposals now: it knows a leader that understands them. A server
   * without an identity of its store cannot, because nobody could tell its starts apart.
   */
  get canForward(): boolean {
    const { leader, life, log, id } = this.#server;
    const { level = 0, servers } = log.membership ?? {};
    const knowsLeader = leader !== undefined && leader !== id;
    return knowsLeader && life !== undefined && level > 0 && servers?.has(id) === true;
  }

  /** Sends commands to the leader, if `canForward`. Returns the ticket of the first command. */
  send(commands: readonly Uint8Array[]): number {
    const { leader, header } = this.#server;
    invariant(leader !== undefined, 'a proposal was forwarded without a leader');
    const ticket = this.#ticket + 1;
    this.#ticket += commands.length;
    this.#server.send(leader, { kind: 'propose', ...header, ticket, commands });
    return ticket;
  }

  /**
   * Proposes the commands of another server if this server leads the term of the message. Otherwise
   * refuses them.
   */
  take(from: ServerId, message: Propose, propose: (data: Uint8Array) => Position | ProposalRefusal): void {
    const { log, ballot, header } = this.#server;
    if (log.membership?.servers.has(from) !== true || !this.#isFirst(from, message)) return;
    const { ticket, incarnation: to, commands, term } = message;
    let [accepted, index] = [0, 0];
    let refused: ProposalRefusal | undefined = term === ballot.term ? undefined : 'notLeader';
    for (const data of commands) {
      if (refused !== undefined) break;
      const outcome = propose(data);
      if (typeof outcome === 'string') refused = outcome;
      else {
        accepted += 1;
        if (index === 0) ({ index } = outcome);
      }
    }
    this.#server.send(from, { kind: 'proposeReply', ...header, to, ticket, accepted, index, refused });
  }

  /**
   * Returns whether this is the first time that the message arrives, and notes it. Messages that were
   * overtaken by a later one do not count as the first. Neither do messages of a term in which an
   * earlier start of this server may have led. Messages of earlier starts of the sender are dropped
   * before (`Lives`).
   */
  #isFirst(from: ServerId, { term, incarnation, ticket }: Propose): boolean {
    if (term <= this.#startTerm) return false;
    const newest = this.#newest.get(from);
    if (newest?.incarnation === incarnation && ticket <= newest.ticket) return false;
    this.#newest.set(from, { incarnation, ticket });
    return true;
  }
}
