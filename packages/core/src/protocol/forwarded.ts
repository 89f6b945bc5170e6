import { invariant } from '../invariant.js';
import type { Position } from '../log/entry.js';
import type { ServerId, StoreId } from '../log/server.js';
import type { Delegate, ProposalRefusal, Propose } from './message.js';
import type { Server } from './role.js';

/** The lowest feature level at which followers delegate membership calls to the leader. */
const DELEGATING_LEVEL = 2;

/** The empty reply, which refuses a delegated call. */
const REFUSED = new Uint8Array(0);

/** Maximum number of stores to remember, because senders can claim to have ever new stores. */
const REMEMBERED = 1_024;

/**
 * Implements both sides of forwarding: the follower that sends proposals or membership calls, and
 * the leader that receives them. A network may duplicate or delay messages, but a forwarded
 * command must be appended at most once. A refused command must never be appended later, because
 * its sender retries it. Delegated calls follow the same rules.
 */
export class Forwarded {
  readonly #server: Server;
  /** The term that was current when this process started. */
  readonly #startTerm: number;
  /** The ticket, a sequence number, of the last command or call that this server forwarded. */
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

  /** Whether this server can currently delegate calls to the leader. */
  get canDelegate(): boolean {
    return this.canForward && (this.#server.log.membership?.level ?? 0) >= DELEGATING_LEVEL;
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
   * Asks the leader to perform a call. Call this only if `canDelegate` is true. Returns the ticket
   * of the call. The replies arrive in `Output.delegated`, unless they are lost.
   */
  delegate(request: Uint8Array): number {
    const { leader, header } = this.#server;
    invariant(leader !== undefined, 'a call was delegated without a leader');
    this.#ticket += 1;
    this.#server.send(leader, { kind: 'delegate', ...header, ticket: this.#ticket, request });
    return this.#ticket;
  }

  /**
   * Passes the call of another server to the node if this server leads in the message's term.
   * Otherwise, refuses the call.
   */
  takeCall(from: ServerId, message: Delegate): void {
    const { log, ballot, leader, id, output } = this.#server;
    if (log.membership?.servers.has(from) !== true || !this.#isFirst(from, message)) return;
    if (leader === id && message.term === ballot.term) output.delegated({ from, message });
    else this.reply(from, message, REFUSED);
  }

  /** Replies to a delegated call. */
  reply(from: ServerId, call: Pick<Delegate, 'incarnation' | 'ticket'>, reply: Uint8Array): void {
    const { incarnation: to, ticket } = call;
    this.#server.send(from, { kind: 'delegateReply', ...this.#server.header, to, ticket, reply });
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
   * Returns whether a message with forwarded commands or a delegated call has arrived for the
   * first time, and remembers its ticket. Returns false for a message that arrives after a newer
   * message from the same sender. Also returns false if this server has restarted in the message's
   * term or later, because it may have processed the message before its restart.
   */
  #isFirst(from: ServerId, { term, store, starts = 0, incarnation, ticket }: Propose | Delegate): boolean {
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
