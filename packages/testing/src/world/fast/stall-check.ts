import type { Message, RoleName, ServerId, Timings } from '@kontiki/core';
import type { Raft, Report, Turn } from '@kontiki/core/protocol';
import type { Checks } from './checks.js';

/**
 * Checks how a server behaves after its own process stalled.
 *
 * A turn is late if it runs more than a heartbeat interval after the time requested by the previous
 * turn. The silence of other servers then proves nothing, because their messages may still be
 * waiting in sockets. A late turn must therefore not check its timers. It must not campaign, step
 * down because of silent peers, or forgive a late timer. The next turn checks the timers. It must
 * forgive a late timer, that is, restart it instead of acting on it.
 *
 * A server never forgives twice in a row, since a process that is always late would never campaign.
 * It forgives again after it has acted on a timer, heard its leader, or led and heard a quorum.
 * This class determines all of this by observing the server, without relying on its internal state.
 */
export class StallCheck {
  readonly #checks: Checks;
  #wakeAt = Infinity;
  #afterLateTurn = false;
  /**
   * Whether a leader may have asked the server to campaign immediately, without waiting for a
   * timer.
   */
  #askedToLead = false;
  /** Whether the server must forgive (restart instead of acting on) the next late timer. */
  #mustForgive = true;
  /** Senders and terms of the appends that wait for the next turn. */
  #appends: { readonly from: ServerId; readonly term: number }[] = [];
  /** The state of the server after the previous turn. */
  #leader: ServerId | undefined;
  #term = 0;
  #timings: Timings | undefined;
  /** The time since which the server has led without receiving new timings or forgiving a timer. */
  #steadySince = Infinity;

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  /** Records a message that the server processes in its next turn. */
  received(from: ServerId, message: Message): void {
    if (message.kind === 'timeoutNow') this.#askedToLead = true;
    if (message.kind === 'append') this.#appends.push({ from, term: message.term });
  }

  /**
   * Records that the server's timings were set, which postpones a leader's next check of its
   * quorum.
   */
  retimed(): void {
    this.#timings = undefined;
  }

  /** Checks a turn that ran at the time `now`. `before` is the role before the turn. */
  turned(id: string, raft: Raft, before: RoleName, now: number, turn: Turn): void {
    const late = now > this.#wakeAt + raft.timings.heartbeat;
    const campaigned = campaigns(before, raft.role) && !this.#askedToLead;
    const acted = campaigned || turn.reports.some(isSilence);
    const forgave = turn.reports.some(({ kind }) => kind === 'lateTimerForgiven');
    if (this.#heardLeader(raft)) this.#mustForgive = true;
    if (late) {
      this.#checks.check('stallsAreForgiven', !acted && !forgave, () => `${id} checked its timers in a late turn`);
    } else if (this.#afterLateTurn) {
      const blames = acted && this.#mustForgive;
      this.#checks.check('stallsAreForgiven', !blames, () => `${id} blamed others for its own stall`);
    }
    const steady = before === 'leader' && raft.role === 'leader' && raft.timings === this.#timings && !forgave;
    if (!steady) this.#steadySince = now;
    // A leader checks its quorum once per election timeout, but not in a turn that runs late.
    const quorumAnswered = !late && now >= this.#steadySince + raft.timings.election;
    if (acted || quorumAnswered) this.#mustForgive = true;
    else if (forgave) this.#mustForgive = false;
    this.#afterLateTurn = late;
    this.#wakeAt = turn.wakeAt;
    this.#leader = raft.leader;
    this.#term = raft.ballot.term;
    this.#timings = raft.timings;
    this.#appends = [];
    this.#askedToLead = false;
  }

  /**
   * Returns whether a follower received an append from the leader and term that it already
   * followed.
   */
  #heardLeader(raft: Raft): boolean {
    if (raft.ballot.term !== this.#term) return false;
    return this.#appends.some(({ from, term }) => from === this.#leader && term === this.#term);
  }
}

function campaigns(before: RoleName, after: RoleName): boolean {
  return (before === 'follower' && after !== 'follower') || (before === 'candidate' && after === 'preCandidate');
}

function isSilence(report: Report): boolean {
  return report.kind === 'steppedDown' && report.reason === 'quorumSilent';
}
