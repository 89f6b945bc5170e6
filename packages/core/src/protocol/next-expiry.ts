import type { Position } from '../log/entry.js';
import type { ProposalRefusal } from './message.js';
import type { RaftServer } from './raft-server.js';

/**
 * Makes a leader append an entry when the state of its state machine expires. Otherwise, log time
 * would not pass the expiry while no client proposes a command.
 */
export class NextExpiry {
  /** The log time at which the applied state changes next without a command. */
  time: number | undefined;
  /** The time before which no further entry is appended, so that expiries cost one entry per heartbeat. */
  #notBefore = -Infinity;

  /** Calls `append` if an expiry is due, the server is the leader, and no entry has passed the expiry. */
  check(server: RaftServer, append: () => Position | ProposalRefusal): void {
    const { time } = this;
    if (time === undefined || server.role.name !== 'leader' || server.now < this.#notBefore) return;
    const { log, now, timings } = server;
    // The state machine has not applied this entry yet.
    if ((log.entry(log.lastIndex)?.time ?? -Infinity) >= time) return;
    const logTime = server.stamp();
    if (logTime === undefined || logTime < time || typeof append() === 'string') return;
    this.#notBefore = now + timings.heartbeat;
  }
}
