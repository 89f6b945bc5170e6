import { isKontikiError, KontikiError } from '../../errors.js';
import type { DelegateReply } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, refuseOptions } from '../calls/limited.js';
import type { Operations } from '../calls/operations.js';
import { describe } from '../describe.js';
import { badOption } from '../options.js';
import type { CatchUpOptions, ChangeOptions, Forwardable, ReconcileOptions } from './change-options.js';
import { decodeReport, encode, errorOf, MAX_REQUEST, type Report } from './delegate-codec.js';
import type { LeaderMembers, Limited } from './leader-members.js';
import { perform, type MemberCall } from './member-calls.js';

/** Number of election timeouts without a report after which the outcome of a call is unknown. */
const SILENCE = 4;

/**
 * Share of a call's time limit that the leader gets. The leader's error then arrives before the
 * time limit of the delegating server ends.
 */
const LEADERS_SHARE = 0.9;

/** The options of all membership calls, combined in one type. */
type Options = CatchUpOptions & ReconcileOptions;

interface DelegatorParts {
  readonly raft: Raft;
  readonly operations: Operations;
  readonly limited: Limited;
  readonly leader: LeaderMembers;
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
  async call(call: MemberCall, options: CallOptions & Forwardable, known: object): Promise<unknown> {
    const refused = refuseOptions(options, known);
    if (refused !== undefined) throw refused;
    const { forward = true, ...rest }: Options = options;
    if (typeof forward !== 'boolean') throw badOption(`forward must be true or false, not ${describe(forward)}.`);
    const { raft, leader, limited } = this.#parts;
    if (!forward || raft.role === 'leader') return perform(leader, call, rest);
    const request = encodeCall(call, rest);
    // These calls wait without a limit until a new server has caught up.
    const patience = call.name === 'addVoter' || call.name === 'replace' || call.name === 'reconcile';
    const state = { isSent: false };
    try {
      const run = (signal: AbortSignal): Promise<unknown> => this.#run(call, rest, request, state, signal);
      return await (patience ? limited({ signal: rest.signal }, run, known, Infinity) : limited(rest, run, known));
    } catch (error) {
      if (!state.isSent) throw error;
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
    this.#onReport.get(ticket)?.(report);
  }

  async #run(
    call: MemberCall,
    options: Options,
    request: Uint8Array,
    state: { isSent: boolean },
    signal: AbortSignal,
  ): Promise<unknown> {
    const { raft, operations, leader } = this.#parts;
    for (;;) {
      await this.#waitForLeader(options);
      if (raft.role === 'leader' || !raft.forwarded.canDelegate) return perform(leader, call, options);
      const report = await this.#delegate(request, options, state, signal);
      state.isSent = false;
      if (report?.kind === 'changed') {
        await operations.until(() => (raft.log.membership?.revision ?? 0) >= report.revision, signal);
        return raft.log.membership;
      }
      if (report?.kind === 'returned') return report.value;
      if (report?.kind === 'failed' && report.error.code !== 'KONTIKI_NOT_LEADER') throw errorOf(report.error);
      // The leader changed nothing. Retry after a heartbeat, because another server may lead by
      // then.
      const again = raft.now + raft.timings.heartbeat;
      await operations.until(() => raft.now >= again, signal);
    }
  }

  #waitForLeader({ timeout, signal }: CallOptions): Promise<void> {
    const { raft, operations, limited } = this.#parts;
    const isLed = (): boolean => raft.leader !== undefined;
    return limited({ timeout, signal }, (aborted) => operations.until(isLed, aborted), callOptions);
  }

  /**
   * Sends a request and resolves with the report of its outcome. Undefined if the leader refused
   * the request.
   */
  async #delegate(
    request: Uint8Array,
    { onProgress }: Options,
    state: { isSent: boolean },
    signal: AbortSignal,
  ): Promise<Report | undefined> {
    const { raft, operations } = this.#parts;
    const ticket = await operations.run(({ forwarded }) => {
      if (signal.aborted || !forwarded.canDelegate) return undefined;
      state.isSent = true;
      return forwarded.delegate(request);
    });
    if (ticket === undefined) return undefined;
    const cancel = (): void => {
      this.#onReport.delete(ticket);
      void operations.run(({ forwarded }) => forwarded.canDelegate && forwarded.delegate(encode({ cancel: ticket })));
    };
    signal.addEventListener('abort', cancel);
    let heard = raft.now;
    let outcome: { readonly report: Report | undefined } | undefined;
    this.#onReport.set(ticket, (report) => {
      heard = raft.now;
      if (report?.kind !== 'running') outcome = { report };
      else if (report.progress !== undefined) onProgress?.(report.progress);
    });
    try {
      await operations.until(() => outcome !== undefined || raft.now - heard > SILENCE * raft.timings.election, signal);
    } finally {
      this.#onReport.delete(ticket);
      signal.removeEventListener('abort', cancel);
    }
    if (outcome === undefined) throw new KontikiError('KONTIKI_TIMEOUT', 'The leader stopped reporting on the call.');
    return outcome.report;
  }
}

/** Encodes a call with the options that the leader needs. Throws if JSON cannot represent it. */
function encodeCall(call: MemberCall, options: Options): Uint8Array {
  const { timeout, expected, force, dryRun }: ChangeOptions & ReconcileOptions = options;
  const share = timeout === undefined ? undefined : timeout * LEADERS_SHARE;
  let request: Uint8Array;
  try {
    request = encode({ ...call, options: { timeout: share, expected, force, dryRun } });
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
