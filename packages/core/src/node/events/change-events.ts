import type { ServerId } from '../../log/server.js';
import type { Logger } from '../../ports/logger.js';
import type { Raft } from '../../protocol/raft.js';
import type { RoleName } from '../../protocol/role.js';
import { leaderOf } from '../status.js';
import type { Emitter } from './emitter.js';
import type { NodeEvents } from './events.js';

/** The state of this server as last reported to listeners. */
interface Reported {
  readonly role: RoleName;
  readonly leader: ServerId | undefined;
  readonly term: number;
  readonly committed: number;
  readonly stalled: boolean;
}

function read({ role, leader, ballot, log, diskStalled: stalled }: Raft): Reported {
  return { role, leader, term: ballot.term, committed: log.committed, stalled };
}

/**
 * An increase of the term by more than this in one turn is reported, because elections cannot
 * explain it. Such a term may come from a peer with damaged memory or a bug. The server must accept
 * it anyway, because it looks like a genuine term.
 */
const TERM_JUMP = 1_000;

/**
 * Emits events and log messages for the changes in one turn: the role, leader, term, commit index,
 * membership, whether the disk is stalled, and which peers answer.
 */
export class ChangeEvents {
  readonly #raft: Raft;
  readonly #events: Emitter<NodeEvents>;
  readonly #logger: Logger;
  #reported: Reported;
  /** The index of the newest membership that has been reported as committed. */
  #membershipIndex: number;
  /** Whether each peer was last reported to answer this leader. Empty on other servers. */
  readonly #answering = new Map<ServerId, boolean>();
  /** The time of the next check of the peers. A check in every turn would slow down busy leaders. */
  #peersAt = -Infinity;

  constructor(raft: Raft, events: Emitter<NodeEvents>, logger: Logger) {
    this.#raft = raft;
    this.#events = events;
    this.#logger = logger;
    this.#reported = read(raft);
    this.#membershipIndex = raft.log.membershipAt(raft.log.committed)?.index ?? 0;
  }

  emitChanges(): void {
    const before = this.#reported;
    const after = read(this.#raft);
    this.#reported = after;
    const { term } = after;
    if (term !== before.term) this.#events.emit('term', { term, previous: before.term });
    if (before.term > 0 && term - before.term > TERM_JUMP) {
      const text = `the term rose by ${term - before.term} at once, which elections do not explain: a peer may be faulty`;
      this.#logger.warn(text, { term, previous: before.term });
    }
    if (after.role !== before.role) {
      this.#logger.info(`${before.role} became ${after.role}`, { term });
      this.#events.emit('state', { role: after.role, previous: before.role });
    }
    if (after.leader !== before.leader) this.#emitLeader(after.leader, term);
    if (after.committed !== before.committed) this.#events.emit('commit', { index: after.committed });
    this.#emitMembership();
    if (after.stalled !== before.stalled) this.#emitStalled(after.stalled);
    if (this.#raft.now >= this.#peersAt || after.role !== before.role) this.#emitPeers();
  }

  #emitPeers(): void {
    const { peers, now, timings } = this.#raft;
    // After a stall of this process, the answers of the peers may still wait in the event loop.
    const wasStalled = now > this.#peersAt + timings.heartbeat;
    this.#peersAt = now + timings.heartbeat;
    for (const peer of this.#answering.keys()) if (peers?.has(peer) !== true) this.#answering.delete(peer);
    if (wasStalled) return;
    for (const [peer, { incarnation, lastActive }] of peers ?? []) {
      const isSilent = now - lastActive > timings.election;
      // A new leader does not know yet whether a peer answers.
      if (!isSilent && incarnation === 0) continue;
      if (this.#answering.get(peer) === !isSilent) continue;
      this.#answering.set(peer, !isSilent);
      this.#events.emit('peer', { peer, answers: !isSilent });
    }
  }

  #emitMembership(): void {
    const { membership, membershipIndex: index, committed } = this.#raft.log;
    if (index === this.#membershipIndex || index > committed || membership === undefined) return;
    this.#membershipIndex = index;
    const { voters, outgoing, learners } = membership;
    this.#logger.info('the membership has changed', { index, voters, outgoing, learners });
    this.#events.emit('membership', { index, membership });
  }

  #emitStalled(stalled: boolean): void {
    this.#logger.warn(
      stalled
        ? 'the disk is stalled: it has not finished a write for several election timeouts'
        : 'the disk finishes writes again',
    );
    this.#events.emit('stalled', { stalled });
  }

  #emitLeader(id: ServerId | undefined, term: number): void {
    if (id !== this.#raft.id) this.#logger.info(id === undefined ? 'no leader' : `leader is ${id}`, { term });
    this.#events.emit('leader', { leader: leaderOf(this.#raft), term });
  }
}
