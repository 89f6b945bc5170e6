import type { Raft } from '../protocol/raft.js';
import type { CallOptions } from './calls/calls.js';
import type { Operations } from './calls/operations.js';
import type { Names } from './options.js';

/** Options for `close`. A call to `close` cannot be aborted. */
export interface CloseOptions extends Pick<CallOptions, 'timeout'> {
  /** Whether to wait for the outcomes of appended and forwarded proposals. Default true. */
  readonly drain?: boolean | undefined;
  /**
   * Whether to transfer the leadership before closing, so that the cluster need not wait for an
   * election. Default true.
   */
  readonly transfer?: boolean | undefined;
}

export const closeOptions: Names<CloseOptions> = { timeout: true, drain: true, transfer: true };

/**
 * Returns whether a server is the leader of a cluster with other servers, and can therefore
 * transfer its leadership.
 */
export function leadsOthers({ id, role, log }: Raft): boolean {
  return role === 'leader' && [...(log.membership?.servers.keys() ?? [])].some((other) => other !== id);
}

/**
 * Waits until the outcomes of all appended and forwarded proposals are known, and then transfers
 * the leadership. Stops waiting if this server loses the leadership, or if it is a follower that no
 * longer knows a leader. A leader without a quorum steps down within two election timeouts.
 */
export async function handOver(
  raft: Raft,
  proposals: { readonly areWaiting: boolean },
  operations: Operations,
  { drain = true, transfer = true }: CloseOptions,
  signal: AbortSignal,
): Promise<void> {
  const { role } = raft;
  const isLost = (): boolean => raft.role !== role || raft.leader === undefined;
  if (drain) await operations.until(() => isLost() || !proposals.areWaiting, signal);
  const leads = (): boolean => raft.role === 'leader';
  if (!transfer || !leadsOthers(raft)) return;
  // The call fails if a transfer is already in progress, or if no other voter answers.
  await operations.run(() => raft.transfer());
  await operations.until(() => !leads() || raft.transferTarget === undefined, signal);
}
