import { isKontikiError, KontikiError, type ErrorCode } from '../../errors.js';
import type { DelegateReply } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, refuseOptions } from '../calls/limited.js';
import type { Operations } from '../calls/operations.js';
import { describe } from '../describe.js';
import { badOption } from '../options.js';
import type { CatchUpOptions, ChangeOptions, Forwardable, ReconcileOptions } from './change-options.js';
import { decodeReport, encode, errorOf, MAX_REQUEST, type Report } from './delegate-codec.js';
import { hasCommitted, type LeaderMembers, type Limited } from './leader-members.js';
import { perform, type MemberCall } from './member-calls.js';
import { Silence } from './silence.js';

/**
 * Share of the remaining time that the leader gets for a call. The leader's error then arrives before
 * the time limit of the delegating server ends.
 */
const LEADERS_SHARE = 0.9;

/** The options of all membership calls, combined in one type. */
type Options = CatchUpOptions & ReconcileOptions;

/**
 * Errors of a leader that is closing or no longer leads. After one of them, a call of a single step has
 * changed nothing, so it can be sent to the next leader.
 */
const NEXT_LEADER: readonly ErrorCode[] = ['KONTIKI_NOT_LEADER', 'KONTIKI_CLOSED'];

interface DelegatorParts {
  readonly raft: Raft;
  readonly operations: Operations;
  readonly limited: Limited;
  readonly leader: LeaderMembers;
  /** The default time limit of a call in milliseconds. */
  readonly timeout: number;
}

/** A call that a server delegates. */
interface Delegated {
  readonly call: MemberCall;
  readonly options: Options;
  /** Whether the call consists of several changes, and waits without a limit for a new server. */
  readonly hasSteps: boolean;
  /** Aborted when the call has timed out, or its caller has aborted it. */
  readonly signal: AbortSignal;
  /** Whether the leader may have performed the call, so that its outcome is unknown. */
  isSent: boolean;
}

/**
 * Makes membership calls on any server. The leader performs a call itself. Any other server
 * delegates the call to the leader, and sends it again only if the leader has refused it. If the
 * leader stops reporting, the outcome is unknown.
 */
export class Delegator {
  readonly #parts: DelegatorParts;
  /**
   * Callbacks for the reports on each call, by ticket. An undefined report means that the leader
   * refused the call.
   */
  readonly #onReport = new Map<number, (report: Report | undefined) => void>();

  constructor(parts: DelegatorParts) {
    this.#parts = parts;
  }

  /** Makes a call. `known` has the names of the options that the call accepts. */
  async call(call: MemberCall, given: CallOptions & Forwardable, known: object): Promise<unknown> {
    const refused = refuseOptions(given, known);
    if (refused !== undefined) throw refused;
    const { forward = true, ...options }: Options = given;
    if (typeof forward !== 'boolean') throw badOption(`forward must be true or false, not ${describe(forward)}.`);
    const { raft, leader, limited } = this.#parts;
    if (!forward || (raft.role === 'leader' && hasCommitted(raft))) return perform(leader, call, options);
    // Refuse arguments that cannot be sent, even if this server may lead soon.
    encodeCall(call, options, undefined);
    const hasSteps = call.name === 'addVoter' || call.name === 'replace' || call.name === 'reconcile';
    let delegated: Delegated | undefined;
    try {
      const run = (signal: AbortSignal): Promise<unknown> =>
        this.#run((delegated = { call, options, hasSteps, signal, isSent: false }));
      return await (hasSteps
        ? limited({ signal: options.signal }, run, known, Infinity)
        : limited(options, run, known));
    } catch (error) {
      if (delegated?.isSent !== true) throw error;
      throw unknownCall(error);
    }
  }

  onReply({ ticket, reply }: DelegateReply): void {
    let report: Report | undefined;
    try {
      report = reply.length === 0 ? undefined : decodeReport(reply);
    } catch (error) {
      report = { kind: 'failed', error: { code: 'KONTIKI_UNKNOWN_OUTCOME', message: (error as Error).message } };
    }
    const onReport = this.#onReport.get(ticket);
    if (onReport !== undefined) onReport(report);
    // The caller has ended the call, but the message that cancels it was lost.
    else if (report?.kind === 'running') this.#cancel(ticket);
  }

  async #run(delegated: Delegated): Promise<unknown> {
    const { raft, operations, timeout: patience } = this.#parts;
    const { call, options, hasSteps, signal } = delegated;
    const deadline = raft.now + (options.timeout ?? patience);
    for (;;) {
      await this.#waitForLeader(options);
      // After its deadline, a call must have no effect on the leader that is elected next.
      if (signal.aborted) throw signal.reason;
      if (raft.leader === undefined) continue;
      const left = Math.max(1, deadline - raft.now);
      if (raft.role === 'leader' || !raft.forwarded.canDelegate)
        return this.#performHere(delegated, hasSteps ? options.timeout : left);
      const timeout = hasSteps ? options.timeout : left * LEADERS_SHARE;
      const report = await this.#delegate(delegated, encodeCall(call, options, timeout));
      if (report?.kind === 'changed') {
        await this.#waitForRevision(delegated, report.revision);
        return raft.log.membership;
      }
      if (report?.kind === 'returned') return report.value;
      if (report?.kind === 'failed') {
        const error = errorOf(report.error);
        const isNextLeaders = NEXT_LEADER.includes(error.code);
        // An earlier step of the call may have been made.
        if (error.code === 'KONTIKI_ABORTED' || (hasSteps && isNextLeaders)) throw error;
        delegated.isSent = false;
        if (!isNextLeaders) throw error;
      }
      delegated.isSent = false;
      // Retry after a heartbeat, because another server may lead by then.
      const again = raft.now + raft.timings.heartbeat;
      await operations.until(() => raft.now >= again, signal);
    }
  }

  /** Performs a call on this server, which leads now. */
  async #performHere(delegated: Delegated, timeout: number | undefined): Promise<unknown> {
    const { call, options, signal } = delegated;
    delegated.isSent = true;
    try {
      return await perform(this.#parts.leader, call, { ...options, timeout, signal });
    } catch (error) {
      // If the call was ended from outside, its own error says less than the one of the leader.
      if (!signal.aborted) delegated.isSent = false;
      throw error;
    }
  }

  /** Waits for the membership that a call has made, which the leader has committed. */
  #waitForRevision({ options: { timeout }, signal }: Delegated, revision: number): Promise<void> {
    const { operations, limited } = this.#parts;
    const wait = (ended: AbortSignal): Promise<void> => operations.until(() => this.#hasRevision(revision), ended);
    return limited({ timeout, signal }, wait, callOptions);
  }

  /** Returns whether the membership that a call has made is committed as far as this server knows. */
  #hasRevision(revision: number): boolean {
    const { log, id } = this.#parts.raft;
    const { membership } = log;
    if (membership === undefined || membership.revision < revision) return false;
    // A removed server does not learn that its removal is committed.
    const isMember = membership.servers.has(id);
    return !isMember || (log.membershipIndex <= log.committed && membership.outgoing.length === 0);
  }

  #waitForLeader({ timeout, signal }: CallOptions): Promise<void> {
    const { raft, operations, limited } = this.#parts;
    // A new leader refuses changes until it has committed an entry of its own.
    const isLed = (): boolean => raft.leader !== undefined && (raft.role !== 'leader' || hasCommitted(raft));
    return limited({ timeout, signal }, (aborted) => operations.until(isLed, aborted), callOptions);
  }

  /**
   * Sends a request and resolves with the report of its outcome. Undefined if the leader refused
   * the request.
   */
  async #delegate(delegated: Delegated, request: Uint8Array): Promise<Report | undefined> {
    const { raft, operations } = this.#parts;
    const { options, signal } = delegated;
    const silence = new Silence(raft);
    let match: number | undefined;
    let outcome: { readonly report: Report | undefined } | undefined;
    let thrown: { readonly error: unknown } | undefined;
    const onReport = (report: Report | undefined): void => {
      silence.end(raft.now);
      if (report?.kind !== 'running') outcome = { report };
      else if (report.progress !== undefined && report.progress.match !== match) {
        // Each report repeats the newest progress.
        ({ match } = report.progress);
        try {
          options.onProgress?.(report.progress);
        } catch (error) {
          thrown ??= { error };
        }
      }
    };
    const ticket = await operations.run(({ forwarded }) => {
      if (signal.aborted || !forwarded.canDelegate) return undefined;
      delegated.isSent = true;
      silence.end(raft.now);
      const sent = forwarded.delegate(request);
      this.#onReport.set(sent, onReport);
      return sent;
    });
    if (ticket === undefined) return undefined;
    const cancel = (): void => {
      this.#onReport.delete(ticket);
      this.#cancel(ticket);
    };
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
    const isOver = (): boolean => thrown !== undefined || outcome !== undefined || silence.isTooLong();
    await operations.until(isOver, signal);
    signal.removeEventListener('abort', cancel);
    this.#onReport.delete(ticket);
    if (thrown === undefined && outcome !== undefined) return outcome.report;
    this.#cancel(ticket);
    if (thrown !== undefined) throw thrown.error;
    throw new KontikiError('KONTIKI_TIMEOUT', 'The leader stopped reporting on the call.');
  }

  /** Asks the leader to end a call. */
  #cancel(ticket: number): void {
    const request = encode({ cancel: ticket });
    void this.#parts.operations.run(({ forwarded }) => forwarded.canDelegate && forwarded.delegate(request));
  }
}

/** Encodes a call with the options that the leader needs. Throws if JSON cannot represent it. */
function encodeCall(
  call: MemberCall,
  { expected, force, dryRun }: ChangeOptions & ReconcileOptions,
  timeout: number | undefined,
): Uint8Array {
  let request: Uint8Array;
  try {
    request = encode({ ...call, options: { timeout, expected, force, dryRun } });
  } catch (error) {
    const text = 'The arguments of a membership call must be plain data. Nothing was changed.';
    throw new KontikiError('KONTIKI_BAD_OPTION', text, { cause: error });
  }
  if (request.length <= MAX_REQUEST) return request;
  throw new KontikiError(
    'KONTIKI_TOO_LARGE',
    `The delegated call is larger than ${MAX_REQUEST} bytes. Nothing was changed. Shorten its arguments.`,
  );
}

/** Returns the error for a call that the leader may have performed. */
function unknownCall(cause: unknown): KontikiError {
  if (isKontikiError(cause, 'KONTIKI_UNKNOWN_OUTCOME')) return cause;
  return new KontikiError(
    'KONTIKI_UNKNOWN_OUTCOME',
    'The call was sent to the leader, but its outcome is unknown. Check the membership before you repeat the call.',
    { cause },
  );
}
