/** The lowest feature level at which entries have a log time. */
export const STAMPED_LEVEL = 2;

/**
 * The clock of the replicated log. Log time counts the milliseconds for which servers of the cluster
 * were running. All servers see the same time at the same entry. Everything that expires in the
 * replicated state expires by log time, because the clocks of servers differ.
 *
 * A leader stamps each entry that it appends. The stamp is that of the last entry from an earlier
 * leader, plus the monotonic time since that entry arrived here. An entry arrives after it was
 * stamped, so log time never runs faster than real time, and it stands still while no server runs.
 * The first stamp of a leader is not below that of any entry in its log, and its own clock
 * never goes back, so log time never decreases along the log.
 */
export class LogClock {
  #time: number;
  #since: number;

  /**
   * Creates the clock at a start of the server. `time` is the log time of the last entry, and `now`
   * is the monotonic time, both in milliseconds.
   */
  constructor(time: number, now: number) {
    this.#time = time;
    this.#since = now;
  }

  /** Returns the log time of an entry that this server appends as the leader. */
  read(now: number): number {
    return this.#time + Math.floor(now - this.#since);
  }

  /** Sets the clock to the log time of the last entry that has arrived from another leader. */
  set(time: number, now: number): void {
    this.#time = time;
    this.#since = now;
  }
}
