import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';

/**
 * The transfer of a leadership to another voter (thesis §3.10). The leader accepts no commands, sends
 * the target the rest of its log, and then asks it to campaign. If no other leader is heard of within
 * an election timeout, the transfer has failed.
 */
export class Transfer {
  readonly target: ServerId;
  /** Whether this leader is no longer a voter, so that it steps down even if the transfer fails. */
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

  /** Asks the target to campaign, once it has the whole log. */
  flush(progress: Progress | undefined): void {
    const { log, header } = this.#server;
    if (this.#sent || progress === undefined || progress.match !== log.lastIndex) return;
    this.#sent = true;
    this.#server.send(this.target, { kind: 'timeoutNow', ...header, to: progress.incarnation });
  }
}
