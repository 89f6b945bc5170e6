import type { ServerId } from '../log/server.js';
import type { Logger } from '../ports/logger.js';
import type { Raft } from '../protocol/raft.js';
import type { RoleName } from '../protocol/role.js';
import type { Emitter } from './emitter.js';
import { leaderOf } from './status-of.js';
import type { NodeEvents } from './status.js';

/** What listeners were last told of. */
interface Seen {
  readonly role: RoleName;
  readonly leader: ServerId | undefined;
  readonly term: number;
  readonly committed: number;
}

function look({ role, leader, ballot, log }: Raft): Seen {
  return { role, leader, term: ballot.term, committed: log.committed };
}

/** Tells listeners and the log what a turn has changed. */
export class ChangeEvents {
  readonly #raft: Raft;
  readonly #events: Emitter<NodeEvents>;
  readonly #logger: Logger;
  #seen: Seen;

  constructor(raft: Raft, events: Emitter<NodeEvents>, logger: Logger) {
    this.#raft = raft;
    this.#events = events;
    this.#logger = logger;
    this.#seen = look(raft);
  }

  emitChanges(): void {
    const before = this.#seen;
    const after = look(this.#raft);
    this.#seen = after;
    const { term } = after;
    if (term !== before.term) this.#events.emit('term', { term, previous: before.term });
    if (after.role !== before.role) {
      this.#logger.info(`${before.role} became ${after.role}`, { term });
      this.#events.emit('state', { role: after.role, previous: before.role });
    }
    if (after.leader !== before.leader) this.#tellLeader(after.leader, term);
    if (after.committed !== before.committed) this.#events.emit('commit', { index: after.committed });
  }

  #tellLeader(id: ServerId | undefined, term: number): void {
    const { log, id: own } = this.#raft;
    if (id !== own) this.#logger.info(id === undefined ? 'no leader' : `leader is ${id}`, { term });
    this.#events.emit('leader', { leader: id === undefined ? undefined : leaderOf(id, log.membership), term });
  }
}
