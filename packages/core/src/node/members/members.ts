import type { MembershipStep } from '../../log/membership-change.js';
import type { Membership } from '../../log/membership.js';
import type { Leader, ServerId, ServerInfo } from '../../log/server.js';
import type { DelegateEvent } from '../../protocol/output.js';
import type { Raft } from '../../protocol/raft.js';
import type { CallOptions } from '../calls/calls.js';
import {
  catchUpOptions,
  changeOptions,
  leaseOptions,
  raiseOptions,
  reconcileOptions,
  transferOptions,
  type CatchUpOptions,
  type ChangeOptions,
  type Forwardable,
  type LeaseOptions,
  type RaiseOptions,
  type ReconcileOptions,
  type TransferOptions,
} from './change-options.js';
import { DelegatedCalls } from './delegated-calls.js';
import { Delegator } from './delegator.js';
import { LeaderMembers, learner, type Limited, type LoopParts } from './leader-members.js';
import type { MemberCalls } from './member-calls.js';
import type { DesiredMember } from './reconcile.js';

/**
 * Methods for operators that change the members of a cluster and transfer the leadership. Every
 * server accepts these calls. A server that does not lead waits for a leader and delegates the
 * call to it. With `forward: false`, or below feature level 2, such a server rejects the call with
 * a `NotLeaderError` instead.
 */
export class Members {
  readonly #leader: LeaderMembers;
  readonly #delegator: Delegator;

  constructor(
    raft: Raft,
    loop: LoopParts & { onDelegated: (event: DelegateEvent) => void },
    limited: Limited,
    timeout: number,
  ) {
    this.#leader = new LeaderMembers(raft, loop, limited);
    this.#delegator = new Delegator({ raft, operations: loop.operations, limited, leader: this.#leader, timeout });
    const calls = new DelegatedCalls(raft, loop.operations, this.#leader);
    loop.onDelegated = (event): void => {
      if (event.message.kind === 'delegateReply') this.#delegator.onReply(event.message);
      else calls.take(event.from, event.message);
    };
  }

  /** Performs one or more steps in a single membership change. Resolves with the new membership. */
  change(steps: MembershipStep | readonly MembershipStep[], options: ChangeOptions = {}): Promise<Membership> {
    return this.#call('change', [steps], options, changeOptions);
  }

  /**
   * Adds a server that receives the log but does not vote. Start the server before or after this
   * call, with a blank store.
   */
  async addLearner(id: ServerId, info: string | ServerInfo, options: ChangeOptions = {}): Promise<Membership> {
    return this.change(learner(id, info), options);
  }

  /** Makes a learner a voter. The learner must have nearly the whole log. */
  promote(id: ServerId, options: ChangeOptions = {}): Promise<Membership> {
    return this.change({ kind: 'promote', id }, options);
  }

  /** Makes a voter a learner. */
  demote(id: ServerId, options: ChangeOptions = {}): Promise<Membership> {
    return this.change({ kind: 'demote', id }, options);
  }

  /**
   * Removes a server from the cluster. A leader that removes itself transfers its leadership after
   * the removal is committed. Never restart a removed server with an empty store under the same id.
   */
  remove(id: ServerId, options: ChangeOptions = {}): Promise<Membership> {
    return this.change({ kind: 'remove', id }, options);
  }

  /** Changes the address of a server. Start the server at the new address before this call. */
  setAddress(id: ServerId, address: string, options: ChangeOptions = {}): Promise<Membership> {
    return this.change({ kind: 'setAddress', id, address }, options);
  }

  setMetadata(id: ServerId, metadata: string, options: ChangeOptions = {}): Promise<Membership> {
    return this.change({ kind: 'setMetadata', id, metadata }, options);
  }

  /**
   * Raises the feature level of the cluster to the highest level that every member supports. Call
   * this method after upgrading all servers. Every member must respond. After that, servers with
   * earlier versions of Kontiki cannot join the cluster. The level never decreases.
   */
  raiseLevel(options: RaiseOptions = {}): Promise<Membership> {
    return this.#call('raiseLevel', [], options, raiseOptions);
  }

  /**
   * Sets the length of a leader's lease in milliseconds, from 50 to 3,600,000, or 0 to turn leases
   * off. Needs feature level 2. A longer lease than the election timeout delays elections, and a
   * lease shorter than two heartbeat intervals rarely holds.
   */
  setLease(leaseMs: number, options: LeaseOptions = {}): Promise<Membership> {
    return this.#call('setLease', [leaseMs], options, leaseOptions);
  }

  /**
   * Returns the newest version of the state machine's behavior that every member has, or 0 if some
   * member has none. Throws `KONTIKI_NOT_LEADER` if this server is not the leader, and
   * `KONTIKI_BEHAVIOR` if some member does not respond.
   */
  commonBehavior(): number {
    return this.#leader.commonBehavior();
  }

  /**
   * Adds a voter in three steps: adds a learner, waits until the learner has the log, and makes it
   * a voter. `timeout` limits each of these steps. By default, the wait for the log has no
   * deadline. If the call ends early, the server remains a learner.
   */
  addVoter(id: ServerId, info: string | ServerInfo, options: CatchUpOptions = {}): Promise<Membership> {
    return this.#call('addVoter', [id, info], options, catchUpOptions);
  }

  /**
   * Replaces a voter with a new server in one change, after the new server has received the log.
   * The old voter may be down.
   *
   * If `id` is the same as `old`, the server keeps its id and starts with a blank disk. It becomes
   * a learner, and becomes a voter again after it has received the log. If `info` is only an
   * address, the server keeps its metadata.
   */
  replace(old: ServerId, id: ServerId, info: string | ServerInfo, options: CatchUpOptions = {}): Promise<Membership> {
    return this.#call('replace', [old, id, info], options, catchUpOptions);
  }

  /**
   * Changes the membership until it matches `desired`. Adds missing servers as learners, waits
   * until the new voters have the log, and makes all other changes together. Resolves with the
   * steps that were needed.
   */
  reconcile(
    desired: Readonly<Record<ServerId, DesiredMember>>,
    options: ReconcileOptions = {},
  ): Promise<readonly MembershipStep[]> {
    return this.#call('reconcile', [desired], options, reconcileOptions);
  }

  /**
   * Transfers the leadership to `to`, or by default to the most up-to-date voter. Resolves with the
   * new leader, or immediately if `to` is already the leader. The transfer takes at most an
   * election timeout. During this time, proposals are refused with `KONTIKI_TRANSFERRING`. Rejects
   * with `KONTIKI_TRANSFER_FAILED` if the leader remains the leader.
   */
  transferLeadership(to?: ServerId, options: TransferOptions = {}): Promise<Leader> {
    return this.#call('transferLeadership', to === undefined ? [] : [to], options, transferOptions);
  }

  /** `known` has the names of the options that the call accepts. */
  #call<Name extends keyof MemberCalls>(
    name: Name,
    args: readonly unknown[],
    options: CallOptions & Forwardable,
    known: object,
  ): ReturnType<MemberCalls[Name]> {
    return this.#delegator.call({ name, args }, options, known) as ReturnType<MemberCalls[Name]>;
  }
}
