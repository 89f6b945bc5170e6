import type { Raft } from '../protocol/raft.js';
import type { PeerStatus, Status } from './status.js';

/** Looks at a node. `now`: monotonic milliseconds. */
export function statusOf(raft: Raft, cluster: string, now: number, ended: 'failed' | 'closed' | undefined): Status {
  const { log, leader, ballot } = raft;
  const info = leader === undefined ? undefined : log.membership?.servers.get(leader);
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
    leader:
      leader === undefined ? undefined : { id: leader, address: info?.address ?? '', metadata: info?.metadata ?? '' },
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
