import type { RoleName } from '@kontiki/core';
import type { Raft, Report, Turn } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/**
 * Checks how a server behaves after its own process stalled.
 *
 * A turn is late if it runs more than a heartbeat interval after the time requested by the previous
 * turn. The silence of other servers then proves nothing, because their messages may still be
 * waiting in sockets. A late turn must therefore not check its timers. It must not campaign, step
 * down because of silent peers, or forgive a late timer. The next turn checks the timers. It must
 * forgive a late timer once, that is, restart it instead of acting on it. It need not forgive
 * another one until the server has campaigned or stepped down.
 */
export class StallCheck {
  readonly #checks: Checks;
  #wakeAt = Infinity;
  #afterLateTurn = false;
  /**
   * Whether the server must forgive the next late timer. False after a late timer was checked,
   * until the server campaigns or steps down.
   */
  #mustForgive = true;

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  /** Checks a turn that ran at the time `now`. `before` is the role before the turn. */
  turned(id: string, raft: Raft, before: RoleName, now: number, turn: Turn): void {
    const late = now > this.#wakeAt + raft.timings.heartbeat && !this.#afterLateTurn;
    const acted = campaigns(before, raft.role) || turn.reports.some(isSilence);
    const forgave = turn.reports.some(({ kind }) => kind === 'lateTimerForgiven');
    if (late) {
      this.#checks.check('stallsAreForgiven', !acted && !forgave, () => `${id} checked its timers in a late turn`);
    } else if (this.#afterLateTurn) {
      const blames = acted && this.#mustForgive;
      this.#checks.check('stallsAreForgiven', !blames, () => `${id} blamed others for its own stall`);
      this.#mustForgive = false;
    }
    if (acted) this.#mustForgive = true;
    this.#afterLateTurn = late;
    this.#wakeAt = turn.wakeAt;
  }
}

function campaigns(before: RoleName, after: RoleName): boolean {
  return (before === 'follower' && after !== 'follower') || (before === 'candidate' && after === 'preCandidate');
}

function isSilence(report: Report): boolean {
  return report.kind === 'steppedDown' && report.reason === 'quorumSilent';
}
