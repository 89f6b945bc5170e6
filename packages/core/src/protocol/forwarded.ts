import { invariant } from '../invariant.js';
import type { Position } from '../log/entry.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { ProposalRefusal, Propose } from './message.js';
import type { Server } from './role.js';

/** Maximum number of stores to remember, because senders can claim to have ever new stores. */
const REMEMBERED = 1_024;

/**
 * Implements both sides of proposal forwarding: the follower that sends proposals, and the leader
 * that receives them. A network may duplicate or delay messages, but a forwarded command must be
 * appended at most once. A refused command must never be appended later, because its sender retries
 * it.
 */
export class Forwarded {
  readonly #server: Server;
  /** The term that was current when this process started. */
  readonly #startTerm: number;
  /** The ticket, a sequence number, of the last command that this server forwarded. */
  #ticket = 0;
  /**
   * The newest ticket from each store of another server, and the start that used it. A sender without a
   * store id counts as one store. Stores of
   * removed members and replaced disks are kept, because a late message may still arrive.
   */
  readonly #newest = new Map<
    StoreId | ServerId,
    { readonly starts: number; readonly incarnation: number; readonly ticket: number }
  >();

  constructor(server: Server) {
    this.#server = server;
    this.#startTerm = server.ballot.term;
  }

  /**
   * Whether this server can currently forward proposals: it knows a leader, and the cluster's
   * feature level includes forwarding. The server also needs a store with an identity, because
   * otherwise receivers could not detect its restarts.
   */
  get canForward(): boolean {
    const { leader, life, log, id } = this.#server;
    const { level = 0, servers } = log.membership ?? {};
    const knowsLeader = leader !== undefined && leader !== id;
    return knowsLeader && life !== undefined && level > 0 && servers?.has(id) === true;
  }

  /**
   * Sends commands to the leader. Call this only if `canForward` is true. Returns the ticket of the
   * first command.
   */
  send(commands: readonly Uint8Array[]): number {
    const { leader, header } = this.#server;
    invariant(leader !== undefined, 'a proposal was forwarded without a leader');
    const ticket = this.#ticket + 1;
    this.#ticket += commands.length;
    this.#server.send(leader, { kind: 'propose', ...header, ticket, commands });
    return ticket;
  }

  /**
   * Proposes the commands of another server if this server leads in the message's term. Otherwise,
   * refuses the commands.
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
   * Returns whether a message with forwarded commands has arrived for the first time, and remembers
   * its ticket. Returns false for a message that arrives after a newer message from the same
   * sender. Also returns false if this server has restarted in the message's term or later,
   * because it may have processed the message before its restart.
   */
  #isFirst(from: ServerId, { term, store, starts = 0, incarnation, ticket }: Propose): boolean {
    if (term <= this.#startTerm) return false;
    const sender = store ?? from;
    const newest = this.#newest.get(sender);
    if (newest !== undefined && starts < newest.starts) return false;
    if (newest?.incarnation === incarnation && ticket <= newest.ticket) return false;
    if (newest === undefined && this.#newest.size >= REMEMBERED)
      this.#newest.delete(this.#newest.keys().next().value as StoreId | ServerId);
    this.#newest.set(sender, { starts, incarnation, ticket });
    return true;
  }
}
