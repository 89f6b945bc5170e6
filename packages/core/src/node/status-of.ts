import type { Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Raft } from '../protocol/raft.js';
import type { Leader, PeerStatus, Status } from './status.js';

/** A leader and where it is reached; it may be none of the members known here yet. */
export function leaderOf(id: ServerId, membership: Membership | undefined): Leader {
  const { address, metadata } = membership?.servers.get(id) ?? { address: '', metadata: '' };
  return { id, address, metadata };
}

/** Looks at a node. `now`: monotonic milliseconds. */
export function statusOf(raft: Raft, cluster: string, now: number, ended: 'failed' | 'closed' | undefined): Status {
  const { log, leader, ballot } = raft;
  const peers: PeerStatus[] = [...(raft.peers ?? [])].map(([id, progress]) => ({
    id,
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inFlight: progress.window.size,
    silentFor: Math.round(now - progress.lastActive),
    full: progress.full,
    lost: progress.lost,
  }));
  return {
    id: raft.id,
    cluster,
    role: ended ?? raft.role,
    term: ballot.term,
    votedFor: ballot.votedFor,
    leader: leader === undefined ? undefined : leaderOf(leader, log.membership),
    membership: log.membership,
    base: log.base.index,
    last: log.lastIndex,
    durable: log.durable,
    committed: log.committed,
    applied: log.applied,
    heldBytes: log.heldBytes,
    full: raft.full,
    peers,
  };
}
