import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';

/**
 * A transfer of the leadership to another voter (thesis §3.10). The leader accepts no commands
 * during the transfer. It sends the target all missing entries, and then asks it to campaign. The
 * transfer fails if the leader receives no message from a new leader within an election timeout.
 */
export class Transfer {
  readonly target: ServerId;
  /**
   * Whether this leader is no longer a voter. If so, the leader steps down even if the transfer
   * fails.
   */
  readonly resigns: boolean;
  readonly until: number;
  readonly #server: Server;
  #sent = false;

  constructor(server: Server, target: ServerId, resigns: boolean) {
    this.#server = server;
    this.target = target;
    this.resigns = resigns;
    this.until = server.now + server.timings.election;
  }

  /**
   * Asks the target to campaign as soon as the target has the whole log. Returns whether the target
   * has been asked, now or earlier.
   */
  flush(progress: Progress | undefined): boolean {
    const { log, header } = this.#server;
    if (this.#sent || progress === undefined || progress.match !== log.lastIndex) return this.#sent;
    this.#sent = true;
    this.#server.send(this.target, { kind: 'timeoutNow', ...header, to: progress.incarnation });
    return true;
  }
}
