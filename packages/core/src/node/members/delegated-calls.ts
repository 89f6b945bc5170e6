import { KontikiError } from '../../errors.js';
import type { ServerId } from '../../log/server.js';
import type { Membership } from '../../log/membership.js';
import type { Delegate } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import { unlessAborted } from '../calls/limited.js';
import type { Operations } from '../calls/operations.js';
import type { CatchUpProgress } from './catch-up.js';
import { decodeRequest, encode, MAX_REQUEST, reportError, type Report, type Request } from './delegate-codec.js';
import { hasCommitted, type LeaderMembers } from './leader-members.js';
import { perform } from './member-calls.js';
import { Silence } from './silence.js';

/** Maximum number of delegated calls in progress. This bounds the memory that they use. */
const MAX_CALLS = 64;

/** The part of a request that identifies its call. The request itself may keep a whole frame in memory. */
type Place = Pick<Delegate, 'incarnation' | 'ticket'>;

/** A delegated call in progress. */
interface Running {
  readonly from: ServerId;
  readonly place: Place;
  readonly controller: AbortController;
  progress: CatchUpProgress | undefined;
  readonly silence: Silence;
  /** The incarnation of the server that the leader knew when the call arrived. */
  readonly known: number | undefined;
  /** Whether the leader has received an answer of the incarnation that made the call. */
  hasAnswered: boolean;
}

/**
 * Performs the calls that other servers delegate to this leader. While a call is in progress,
 * sends a report to the calling server with each heartbeat. If the reports stop, the calling
 * server knows that the leader failed or the outcome was lost.
 */
export class DelegatedCalls {
  readonly #raft: Raft;
  readonly #operations: Operations;
  readonly #leader: LeaderMembers;
  readonly #running = new Set<Running>();

  constructor(raft: Raft, operations: Operations, leader: LeaderMembers) {
    this.#raft = raft;
    this.#operations = operations;
    this.#leader = leader;
  }

  /** Handles a request that has arrived for the first time. */
  take(from: ServerId, message: Delegate): void {
    let request: Request;
    try {
      request = this.#decode(message);
    } catch (error) {
      return this.#reply(from, message, reportError(error));
    }
    if ('cancel' in request) this.#cancel(from, message, request.cancel);
    else void this.#perform(this.#start(from, message), request);
  }

  #start(from: ServerId, { incarnation, ticket }: Delegate): Running {
    const controller = new AbortController();
    const known = this.#raft.peers?.get(from)?.incarnation;
    const silence = new Silence(this.#raft);
    const place = { incarnation, ticket };
    return { from, place, controller, progress: undefined, silence, known, hasAnswered: false };
  }

  #decode({ request }: Delegate): Request {
    if (request.length > MAX_REQUEST)
      throw new KontikiError('KONTIKI_TOO_LARGE', `The delegated call is larger than ${MAX_REQUEST} bytes.`);
    const decoded = decodeRequest(request);
    if ('cancel' in decoded || this.#running.size < MAX_CALLS) return decoded;
    throw new KontikiError(
      'KONTIKI_OVERLOADED',
      `The leader is already performing ${MAX_CALLS} calls for other servers. Nothing was changed. Try again later.`,
    );
  }

  #cancel(from: ServerId, { incarnation }: Delegate, ticket: number): void {
    for (const { from: server, place, controller } of this.#running) {
      if (server === from && place.incarnation === incarnation && place.ticket === ticket)
        controller.abort(callerStopped(from));
    }
  }

  async #perform(call: Running, request: Exclude<Request, { readonly cancel: number }>): Promise<void> {
    const { from, place, controller } = call;
    const { signal } = controller;
    this.#running.add(call);
    const ended = new AbortController();
    this.#reportProgress(call, ended.signal);
    const onProgress = (progress: CatchUpProgress): void => void (call.progress = progress);
    const catchesUp = request.name === 'addVoter' || request.name === 'replace';
    const options = { ...request.options, signal, ...(catchesUp ? { onProgress } : {}) };
    const report = await this.#whenReady(signal)
      .then(() => perform(this.#leader, request, options))
      .then(reportResult, reportError);
    ended.abort();
    this.#running.delete(call);
    if (call.progress !== undefined) this.#reply(from, place, runningReport(call));
    this.#reply(from, place, report);
  }

  /** Resolves when this leader can change the membership, which needs a committed entry of its own. */
  #whenReady(signal: AbortSignal): Promise<void> {
    const raft = this.#raft;
    return unlessAborted(
      this.#operations.until(() => raft.role !== 'leader' || hasCommitted(raft), signal),
      signal,
    );
  }

  /**
   * Reports with each heartbeat that a call is in progress, until `ended` is aborted. Ends the call if
   * its server has stopped, because nobody waits for the outcome any more.
   */
  #reportProgress(call: Running, ended: AbortSignal): void {
    const next = (): number => this.#raft.now + this.#raft.timings.heartbeat;
    let reportAt = next();
    const report = (): boolean => {
      if (this.#hasStopped(call)) call.controller.abort(callerStopped(call.from));
      if (this.#raft.now >= reportAt) {
        reportAt = next();
        this.#reply(call.from, call.place, runningReport(call));
      }
      return false;
    };
    void this.#operations.until(report, ended);
  }

  #hasStopped(call: Running): boolean {
    const { from, place, silence, known } = call;
    const { role, peers, leaving } = this.#raft;
    // Only a leader hears from its peers, and it hears less from servers that are leaving.
    if (role !== 'leader' || leaving.has(from)) return false;
    const peer = peers?.get(from);
    if (peer === undefined) return true;
    // Before its first answer, the leader knows only the previous incarnation of a restarted server.
    const isSame = peer.incarnation === place.incarnation;
    call.hasAnswered ||= isSame;
    if (!isSame && (call.hasAnswered || peer.incarnation !== known)) return true;
    silence.end(peer.lastActive);
    return silence.isTooLong();
  }

  #reply(from: ServerId, place: Place, report: Report): void {
    const reply = encode(report);
    void this.#operations.run((raft) => raft.forwarded.reply(from, place, reply));
  }
}

/** Returns the reason for ending a call. */
function callerStopped(server: ServerId): KontikiError {
  return new KontikiError('KONTIKI_ABORTED', `${server} no longer waits for this call.`);
}

function runningReport({ progress }: Running): Report {
  return { kind: 'running', progress };
}

function reportResult(result: unknown): Report {
  const isMembership = typeof result === 'object' && result !== null && 'revision' in result && 'voters' in result;
  return isMembership
    ? { kind: 'changed', revision: (result as Membership).revision }
    : { kind: 'returned', value: result };
}
