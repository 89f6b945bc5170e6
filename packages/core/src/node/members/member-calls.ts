import type { MembershipStep } from '../../log/membership-change.js';
import type { Membership } from '../../log/membership.js';
import type { Leader, ServerId, ServerInfo } from '../../log/server.js';
import type { CallOptions } from '../calls/calls.js';
import type { CatchUpOptions, ChangeOptions, LeaseOptions, RaiseOptions, ReconcileOptions } from './change-options.js';
import type { DesiredMember } from './reconcile.js';

/** The membership calls that a server can delegate to the leader. */
export interface MemberCalls {
  change(steps: MembershipStep | readonly MembershipStep[], options: ChangeOptions): Promise<Membership>;
  raiseLevel(options: RaiseOptions): Promise<Membership>;
  setLease(leaseMs: number, options: LeaseOptions): Promise<Membership>;
  addVoter(id: ServerId, info: string | ServerInfo, options: CatchUpOptions): Promise<Membership>;
  replace(old: ServerId, id: ServerId, info: string | ServerInfo, options: CatchUpOptions): Promise<Membership>;
  reconcile(
    desired: Readonly<Record<ServerId, DesiredMember>>,
    options: ReconcileOptions,
  ): Promise<readonly MembershipStep[]>;
  transferLeadership(to: ServerId | undefined, options: CallOptions): Promise<Leader>;
}

/** A call without its options. */
export interface MemberCall {
  readonly name: keyof MemberCalls;
  readonly args: readonly unknown[];
}

/** The number of arguments of each call, without its options. */
const ARGUMENTS: Readonly<Record<keyof MemberCalls, number>> = {
  change: 1,
  raiseLevel: 0,
  setLease: 1,
  addVoter: 2,
  replace: 3,
  reconcile: 1,
  transferLeadership: 1,
};

/** Returns whether `name` is the name of a call. */
export function isCall(name: unknown): name is keyof MemberCalls {
  return typeof name === 'string' && Object.hasOwn(ARGUMENTS, name);
}

/** Makes a call. Missing arguments are passed as undefined. */
export function perform(members: MemberCalls, { name, args }: MemberCall, options: object): Promise<unknown> {
  const all = Array.from({ length: ARGUMENTS[name] }, (_, i) => args[i]);
  return (members[name] as (...args: unknown[]) => Promise<unknown>).call(members, ...all, options);
}
