import type { ServerId } from '../log/server.js';
import type { Raft } from '../protocol/raft.js';

/**
 * Describes why calls may be unable to proceed. The errors of calls that time out or are refused
 * include this description.
 */
export class Situation {
  readonly #raft: Raft;
  /**
   * The time, in milliseconds, at which this server started or lost its leader; undefined while it
   * knows a leader.
   */
  #leaderlessSince: number | undefined;
  /** The members that sent messages to this server while it knew no leader. */
  readonly #heard = new Set<ServerId>();

  constructor(raft: Raft) {
    this.#raft = raft;
    this.#leaderlessSince = raft.now;
  }

  /** Records that a message from a server has arrived. */
  onReceived(from: ServerId): void {
    // Only count members, because a stranger could make up any number of server ids.
    if (this.#leaderlessSince !== undefined && this.#raft.log.membership?.servers.has(from)) this.#heard.add(from);
  }

  /** Records after a turn whether this server knows a leader. */
  update(): void {
    if (this.#raft.leader === undefined) this.#leaderlessSince ??= this.#raft.now;
    else if (this.#leaderlessSince !== undefined) {
      this.#leaderlessSince = undefined;
      this.#heard.clear();
    }
  }

  /**
   * Returns a description, in full sentences, of why calls may be unable to proceed at the time
   * `now`.
   */
  describe(now: number): string {
    const { id, leader, log, unreadable } = this.#raft;
    if (unreadable !== undefined) {
      const seconds = Math.round((now - unreadable.since) / 1_000);
      return `Server ${id} cannot read the log from entry ${unreadable.index} on, and has waited for ${seconds} s: ${unreadable.reason} Upgrade this server.`;
    }
    if (leader !== undefined) {
      return `Server ${leader} leads. Entries up to ${log.committed} are committed, and up to ${log.applied} are applied on server ${id}.`;
    }
    const seconds = Math.round((now - (this.#leaderlessSince ?? now)) / 1_000);
    const membership = log.membership;
    if (membership === undefined) {
      return `Server ${id} has no log and has known no leader for ${seconds} s. It was never bootstrapped, or it has lost its disk. Bootstrap it if it is one of the first servers of a new cluster. If it has lost its disk, replace the disk (members.replace).`;
    }
    if (!membership.servers.has(id)) {
      return `Server ${id} has known no leader for ${seconds} s, and is no member: it was removed, or has not received the entry that adds it. If it was removed, stop it.`;
    }
    const peers = [...membership.servers.keys()].filter((server) => server !== id);
    const heard = peers.filter((server) => this.#heard.has(server));
    const text = `Server ${id} has known no leader for ${seconds} s, and has received messages from ${heard.length} of ${peers.length} peers in that time.`;
    if (membership.founded) return text;
    const missing = membership.voters.filter((server) => server !== id && !this.#heard.has(server));
    return `${text} The cluster is not founded yet, so it needs all of its first servers${missing.length === 0 ? '.' : `: start ${missing.join(', ')}.`}`;
  }
}
