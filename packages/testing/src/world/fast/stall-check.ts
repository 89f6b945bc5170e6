import type { RoleName } from '@kontiki/core';
import type { Raft, Report, Turn } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/**
 * Checks how one server behaves after its own process was stalled.
 *
 * A turn is late if it runs more than a heartbeat interval after the time that the previous turn
 * asked for. The silence of other servers proves nothing then, because their messages may still
 * wait in sockets. So a late turn must leave the timers alone: no campaign, no leader that steps
 * down for want of answers, and no late timer forgiven yet. The next turn checks the timers, and
 * must forgive a late one, unless an earlier stall has used up that forgiveness.
 */
export class StallCheck {
  readonly #checks: Checks;
  #wakeAt = Infinity;
  #afterLateTurn = false;
  /**
   * Whether the next late timer must be forgiven: no stall has used that up since the server last
   * campaigned.
   */
  #mustForgive = true;

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  /** Checks a turn that ran at `now`. `before`: the role before the turn. */
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
