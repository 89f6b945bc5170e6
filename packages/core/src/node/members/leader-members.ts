import { isKontikiError, KontikiError } from '../../errors.js';
import type { Position } from '../../log/entry.js';
import { checkId } from '../../id.js';
import { beginChange, targetOf, type MembershipStep } from '../../log/membership-change.js';
import type { Membership } from '../../log/membership.js';
import type { Leader, ServerId, ServerInfo } from '../../log/server.js';
import type { ChangeRefusal } from '../../protocol/change-refusal.js';
import type { Progress } from '../../protocol/progress.js';
import type { Raft } from '../../protocol/raft.js';
import { membershipOversize } from '../../wire/membership.js';
import { refusalError } from '../calls/refusals.js';
import { callOptions } from '../calls/limited.js';
import type { CallOptions } from '../calls/calls.js';
import type { Loop } from '../loop.js';
import { badOption, isWithin } from '../options.js';
import { describe } from '../describe.js';
import { leaderOf } from '../status.js';
import { catchUp } from './catch-up.js';
import {
  catchUpOptions,
  changeOptions,
  leaseOptions,
  raiseOptions,
  reconcileOptions,
  type CatchUpOptions,
  type ChangeOptions,
  type LeaseOptions,
  type RaiseOptions,
  type ReconcileOptions,
} from './change-options.js';
import { checkStep } from './check-step.js';
import type { MemberCalls } from './member-calls.js';
import { stepsTo, type DesiredMember } from './reconcile.js';
import {
  behaviorUnknown,
  changeRefused,
  compacted,
  replaced,
  transferFailed,
  transferRefused,
  unknownChange,
} from './refusals.js';
import { addressFault, serverInfo } from './server-info.js';

/**
 * A function that runs a call with the deadline and the abort signal of `options`. It rejects
 * options that are not named in `known`. `patience` is the default deadline.
 */
export type Limited = <T>(
  options: CallOptions,
  run: (signal: AbortSignal) => Promise<T>,
  known: object,
  patience?: number,
) => Promise<T>;

/** The parts of a node's loop that membership calls use. */
export type LoopParts = Pick<Loop<unknown>, 'operations' | 'situation' | 'transport'>;

/**
 * The membership calls of a server that leads. On any other server they reject with a
 * `NotLeaderError`. `Members` documents them.
 */
export class LeaderMembers implements MemberCalls {
  readonly #raft: Raft;
  readonly #loop: LoopParts;
  readonly #limited: Limited;

  constructor(raft: Raft, loop: LoopParts, limited: Limited) {
    this.#raft = raft;
    this.#loop = loop;
    this.#limited = limited;
  }

  change(steps: MembershipStep | readonly MembershipStep[], options: ChangeOptions = {}): Promise<Membership> {
    return this.#change(steps, options, changeOptions);
  }

  raiseLevel(options: RaiseOptions = {}): Promise<Membership> {
    const { expected } = options;
    return this.#append(() => this.#raft.raiseLevel({ expected }), options, raiseOptions);
  }

  setLease(leaseMs: number, options: LeaseOptions = {}): Promise<Membership> {
    const { expected } = options;
    const append = (): Position | ChangeRefusal | Error =>
      refuseLease(leaseMs) ?? this.#raft.setLease(leaseMs, { expected });
    return this.#append(append, options, leaseOptions);
  }

  commonBehavior(): number {
    const common = this.#raft.commonBehavior();
    if (typeof common === 'number') return common;
    throw behaviorUnknown(this.#raft, common, this.#situation);
  }

  async addVoter(id: ServerId, info: string | ServerInfo, options: CatchUpOptions = {}): Promise<Membership> {
    const { onProgress: _, ...rest } = options;
    if (!this.#isMember(id)) await this.change(learner(id, info), rest);
    await this.#catchUp(id, options);
    return this.change(
      { kind: 'promote', id },
      { signal: options.signal, timeout: options.timeout, force: options.force },
    );
  }

  async replace(
    old: ServerId,
    id: ServerId,
    info: string | ServerInfo,
    options: CatchUpOptions = {},
  ): Promise<Membership> {
    const { onProgress: _, ...rest } = options;
    if (!this.#isMember(old))
      throw new KontikiError(
        'KONTIKI_BAD_CHANGE',
        `${old} is not a member, so it cannot be replaced. Nothing was changed.`,
      );
    if (id === old) return this.#replaceDisk(id, info, options);
    if (!this.#isMember(id)) await this.change(learner(id, info), rest);
    await this.#catchUp(id, options);
    return this.change(
      [
        { kind: 'promote', id },
        { kind: 'remove', id: old },
      ],
      { signal: options.signal, timeout: options.timeout, force: options.force },
    );
  }

  async reconcile(
    desired: Readonly<Record<ServerId, DesiredMember>>,
    options: ReconcileOptions = {},
  ): Promise<readonly MembershipStep[]> {
    const { dryRun = false, ...rest } = options;
    const { additions, changes } = stepsTo(this.#membership(), desired);
    const all = [...additions, ...changes];
    if (dryRun || all.length === 0) {
      await this.#limited(options, async () => {}, reconcileOptions);
      return all;
    }
    const later = { signal: rest.signal, timeout: rest.timeout, force: rest.force };
    if (additions.length > 0) await this.change(additions, rest);
    for (const step of changes) if (step.kind === 'promote') await this.#catchUp(step.id, later);
    if (changes.length > 0) await this.change(changes, additions.length > 0 ? later : rest);
    return all;
  }

  transferLeadership(to?: ServerId, options: CallOptions = {}): Promise<Leader> {
    const raft = this.#raft;
    const { operations } = this.#loop;
    const run = async (signal: AbortSignal): Promise<Leader> => {
      if (to !== undefined) checkId('the new leader', to);
      const why = await operations.run(() => {
        if (signal.aborted) return 'transferring';
        return raft.role === 'leader' && to === raft.id ? undefined : raft.transfer(to);
      });
      if (why !== undefined) throw transferRefused(raft, why, to, this.#situation);
      await operations.until(
        () => (raft.role === 'leader' ? raft.transferTarget === undefined : raft.leader !== undefined),
        signal,
      );
      const leader = leaderOf(raft);
      if (leader === undefined || (leader.id === raft.id && to !== raft.id))
        throw transferFailed(`${to ?? 'the other voter'} did not take over in time`);
      return leader;
    };
    return this.#limited(options, run, callOptions);
  }

  // ---- Performing membership changes.

  async #replaceDisk(id: ServerId, info: string | ServerInfo, options: CatchUpOptions): Promise<Membership> {
    const { onProgress: _, ...rest } = options;
    const { voters, servers } = this.#membership();
    const lost = servers.get(id)?.store;
    const { peers, now, timings, role, id: own } = this.#raft;
    const peer = peers?.get(id);
    const answers = peer !== undefined && now - peer.lastActive <= timings.election;
    if (role === 'leader' && (id === own || (answers && lost !== undefined && peer.store === lost)))
      throw new KontikiError(
        'KONTIKI_BAD_CHANGE',
        `${id} has the disk that the membership names, and it answers. If it has lost that disk, start it with a blank one first. Nothing was changed.`,
      );
    const { address, metadata } = serverInfo('replace', id, info);
    const steps: MembershipStep[] = [
      ...(voters.includes(id) ? [{ kind: 'demote', id } as const] : []),
      { kind: 'setAddress', id, address },
      ...(typeof info === 'string' ? [] : [{ kind: 'setMetadata', id, metadata } as const]),
    ];
    await this.change(steps, rest);
    await this.#catchUp(id, options, ({ store }) => store !== undefined && store !== lost);
    return this.change(
      { kind: 'promote', id },
      { signal: options.signal, timeout: options.timeout, force: options.force },
    );
  }

  #change(
    change: MembershipStep | readonly MembershipStep[],
    options: ChangeOptions,
    known: object,
  ): Promise<Membership> {
    const { expected, force } = options;
    const append = (): Position | ChangeRefusal | Error => {
      const steps = [change].flat() as MembershipStep[];
      return this.#refuse(steps) ?? this.#raft.changeMembership(steps, { expected, force });
    };
    return this.#append(append, options, known);
  }

  /**
   * Appends a membership to the log, and waits until it is committed and no joint phase remains.
   */
  async #append(
    append: () => Position | ChangeRefusal | Error,
    options: CallOptions,
    known: object,
  ): Promise<Membership> {
    const raft = this.#raft;
    const { operations } = this.#loop;
    let appended = false;
    const run = async (signal: AbortSignal): Promise<Membership> => {
      // Check the change within the turn, because the membership may have changed in the meantime.
      // A call that has already been aborted must not change anything.
      const at = await operations.run(() => (signal.aborted ? (signal.reason as Error) : append()));
      if (at instanceof Error) throw at;
      if ('refused' in at) throw changeRefused(raft, at, this.#situation);
      appended = true;
      const { log } = raft;
      await operations.until(() => log.committed >= at.index, signal);
      const term = log.termAt(at.index);
      if (term === undefined) throw compacted(at.index);
      if (term !== at.term) throw replaced(at, term);
      // The leader ends the joint phase on its own. By then, a different server may be the leader.
      await operations.until(
        () => log.membershipIndex <= log.committed && log.membership?.outgoing.length === 0,
        signal,
      );
      return log.membership as Membership;
    };
    try {
      return await this.#limited(options, run, known);
    } catch (error) {
      if (appended && !isKontikiError(error, 'KONTIKI_REPLACED')) throw unknownChange(error);
      throw error;
    }
  }

  /**
   * Returns an error if one of the steps is malformed, or if the transport cannot use an address in
   * it.
   */
  #refuse(steps: readonly MembershipStep[]): Error | undefined {
    try {
      this.#check(steps);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #check(steps: readonly MembershipStep[]): void {
    if (steps.length === 0) throw badOption('A change must have at least one step.');
    for (const step of steps) checkStep(step);
    const target = targetOf(this.#membership(), steps);
    // Let the leader's code refuse an impossible change, because it also gives the reason.
    if (typeof target === 'string') return;
    const fault = membershipOversize(beginChange(this.#membership(), target)) ?? addressFault(target.servers);
    if (fault !== undefined) throw badOption(`The membership would be invalid: ${fault}. Nothing was changed.`);
    this.#loop.transport.checkAddresses(
      new Map([...target.servers].map(([id, { address }]) => [id, address] as const)),
    );
  }

  #catchUp(id: ServerId, options: CatchUpOptions, isRight?: (learner: Progress) => boolean): Promise<void> {
    const raft = this.#raft;
    const learner = { raft, id, onProgress: options.onProgress, isRight };
    const run = async (aborted: AbortSignal): Promise<void> => {
      // A voter may be unreachable for a long time, so do not wait for it. The step that promotes a
      // voter is refused later.
      if (this.#membership().voters.includes(id)) return;
      if (!(await catchUp(this.#loop.operations, learner, aborted)))
        throw refusalError(raft, 'notLeader', this.#situation);
    };
    return this.#limited(options, run, catchUpOptions, Infinity);
  }

  /** Describes why this server may be unable to become the leader or to reach the leader. */
  readonly #situation = (): string => this.#loop.situation.describe(this.#raft.now);

  #isMember(id: ServerId): boolean {
    return this.#membership().servers.has(id);
  }

  #membership(): Membership {
    const { membership } = this.#raft.log;
    if (membership === undefined) throw refusalError(this.#raft, 'notLeader', this.#situation);
    return membership;
  }
}

/** Returns whether a leader has committed an entry of its own term, so that it can change the membership. */
export function hasCommitted({ log, ballot }: Raft): boolean {
  return log.termAt(log.committed) === ballot.term;
}

function refuseLease(leaseMs: unknown): Error | undefined {
  if (leaseMs === 0 || (Number.isInteger(leaseMs) && isWithin(leaseMs, 50, 3_600_000))) return undefined;
  return badOption(`leaseMs must be 0, or an integer from 50 to 3,600,000, not ${describe(leaseMs)}.`);
}

/** Returns the step that adds a learner. Throws `KONTIKI_BAD_OPTION` if `info` is invalid. */
export function learner(id: ServerId, info: string | ServerInfo): MembershipStep {
  return { kind: 'addLearner', id, ...serverInfo('members', id, info) };
}
