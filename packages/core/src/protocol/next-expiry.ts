import type { Position } from '../log/entry.js';
import type { ProposalRefusal } from './message.js';
import type { RaftServer } from './raft-server.js';

/**
 * Makes a leader append an entry when the state of its state machine expires. Otherwise, log time
 * would not reach the expiry in an idle cluster.
 */
export class NextExpiry {
  /** The log time at which the applied state changes next without a command. */
  time: number | undefined;
  /** The newest expiry for which this leader has appended an entry, and the term of that entry. */
  #passed = { time: -Infinity, term: 0 };

  /** Calls `append` once for each expiry that is due, if the server is the leader. */
  check(server: RaftServer, append: () => Position | ProposalRefusal): void {
    const { time } = this;
    const { term } = server.ballot;
    // Append one entry per expiry and term, because an entry of an earlier term may have been
    // lost. A state machine that lags may report an expiry again after this leader has appended
    // its entry.
    if (time === undefined || server.role.name !== 'leader') return;
    if (term === this.#passed.term && time <= this.#passed.time) return;
    const now = server.stamp();
    if (now !== undefined && now >= time && typeof append() === 'object') this.#passed = { time, term };
  }
}
