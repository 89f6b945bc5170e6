import type { Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { Append, Commit, Heartbeat, ReadIndexReply, SnapshotChunk, SnapshotOffer } from './message.js';
import { BaseRole, type Server } from './role.js';

/** Follows a leader, known or not, and campaigns when none is heard (Raft §5.2, §5.3). */
export class Follower extends BaseRole {
  readonly name = 'follower';
  readonly #server: Server;
  /** When the leader was last heard. */
  #heard = -Infinity;
  #timeout: number;
  #electionAt: number;
  /** When the reads that wait here were passed on to the leader; `-Infinity` when they were not. */
  #forwarded = -Infinity;

  constructor(server: Server) {
    super();
    this.#server = server;
    this.#timeout = server.drawElectionTimeout();
    this.#electionAt = server.now + this.#timeout;
  }

  get wakeAt(): number {
    return Math.min(this.#electionAt, this.#forwardAt);
  }

  /** When the question on behalf of the reads that wait here is put again: it, or its answer, may have been lost. */
  get #forwardAt(): number {
    const { reads, leader, timings } = this.#server;
    return reads.open === undefined || leader === undefined ? Infinity : this.#forwarded + timings.heartbeat;
  }

  /** Judged by T, not by the drawn timeout: voters would deny a rightful election for up to twice as long. */
  override get leaderAlive(): boolean {
    const { leader, now, timings } = this.#server;
    return leader !== undefined && now - this.#heard < timings.election;
  }

  /** Puts the next election off. */
  restartTimer(): void {
    this.#electionAt = this.#server.now + this.#timeout;
  }

  tick(late: boolean): void {
    const server = this.#server;
    if (server.now < this.#electionAt) return;
    const excused = server.eligible && server.forgiveLateTimer(late);
    this.retime();
    if (excused) return server.report({ kind: 'lateTimerForgiven' });
    server.leader = undefined;
    if (server.eligible) server.askForPreVotes();
  }

  retime(): void {
    this.#timeout = this.#server.drawElectionTimeout();
    this.restartTimer();
  }

  override flush(): void {
    const { reads, leader, header, now } = this.#server;
    if (reads.open === undefined || leader === undefined || now < this.#forwardAt) return;
    this.#forwarded = now;
    this.#server.send(leader, { kind: 'readIndex', ...header, ticket: reads.open });
  }

  override readIndexReply(_from: ServerId, { ticket, index }: ReadIndexReply): void {
    const { reads, output } = this.#server;
    const ready = reads.answer(ticket, index);
    if (ready === undefined) return;
    output.readsReady(ready);
    this.#forwarded = -Infinity;
  }

  override append(from: ServerId, message: Append): void {
    this.#hear();
    const { log, header, output, full } = this.#server;
    const end = message.prevIndex + message.entries.length;
    const settled = this.#settled(from, message);
    if (settled === undefined) return;
    const { prevIndex, prevTerm, entries } = settled;
    const answer = { ...header, to: message.incarnation, stream: message.stream, full };
    if (log.termAt(prevIndex) !== prevTerm) {
      const { index, term } = log.findConflictByTerm(prevIndex, prevTerm);
      const { blank } = log;
      output.sendAfterWrite(from, {
        kind: 'appendRejected',
        ...answer,
        prevIndex: message.prevIndex,
        hintIndex: index,
        hintTerm: term,
        blank,
      });
      return;
    }
    if (!this.#take(entries)) return;
    this.#commitTo(Math.min(message.committed, end));
    // What is committed is in every leader's log, so it matches even where this message says nothing of it.
    output.sendAfterWrite(from, { kind: 'appendAccepted', ...answer, match: Math.max(end, log.committed) });
  }

  override heartbeat(from: ServerId, message: Heartbeat): void {
    this.commit(from, message);
    const { header, full, log } = this.#server;
    const { incarnation: to, stream, round } = message;
    this.#server.send(from, { kind: 'heartbeatReply', ...header, to, stream, round, full, blank: log.blank });
  }

  override commit(from: ServerId, message: Heartbeat | Commit): void {
    this.#hear();
    // The leader says only what this server has acknowledged to it, so there is nothing to verify, but it must be there.
    if (message.committed > this.#server.log.lastIndex) {
      this.#server.report({ kind: 'commitBeyondLog', peer: from, index: message.committed });
    } else {
      this.#commitTo(message.committed);
    }
  }

  override snapshotOffer(from: ServerId, message: SnapshotOffer): void {
    this.#hear();
    const { log, output } = this.#server;
    // What it ends with is here already: then this log is the leader's up to there (log matching).
    if (log.matchesTerm(message.meta.last)) this.#has(from, message);
    else output.snapshot({ kind: 'offered', from, message });
  }

  override snapshotChunk(from: ServerId, message: SnapshotChunk): void {
    this.#hear();
    this.#server.output.snapshot({ kind: 'arrived', from, message });
  }

  #has(from: ServerId, { incarnation: to, stream, meta }: SnapshotOffer): void {
    const { log, header, output, full } = this.#server;
    this.#commitTo(Math.min(meta.last.index, log.lastIndex));
    output.sendAfterWrite(from, { kind: 'appendAccepted', ...header, to, stream, match: log.committed, full });
  }

  #hear(): void {
    this.#heard = this.#server.now;
    this.#server.forgiveLateTimer(false);
    this.restartTimer();
  }

  /** The message without what is committed here already; undefined when it contradicts that, which no rightful leader's does. */
  #settled(from: ServerId, message: Append): Pick<Append, 'prevIndex' | 'prevTerm' | 'entries'> | undefined {
    const { log } = this.#server;
    const { prevIndex, prevTerm, entries } = message;
    const known = Math.min(entries.length, log.committed - prevIndex);
    if (known < 0) return message;
    let at = { index: prevIndex, term: prevTerm };
    for (let i = 0; ; i += 1) {
      if (at.index >= log.base.index && log.termAt(at.index) !== at.term) {
        this.#server.report({ kind: 'divergedBelowCommit', peer: from, index: at.index });
        return undefined;
      }
      const next = entries[i];
      if (i >= known || next === undefined) break;
      at = next;
    }
    // All of it may lie below the base, where no term is known any more: the base stands for it.
    if (at.index < log.base.index) at = log.base;
    return { prevIndex: at.index, prevTerm: at.term, entries: entries.slice(known) };
  }

  /** Takes over what is new, and cuts the log only where an entry of another term stands. False when there is no room. */
  #take(entries: readonly Entry[]): boolean {
    const { log, full, limits } = this.#server;
    const first = entries.findIndex((entry) => log.termAt(entry.index) !== entry.term);
    const fresh = entries[first];
    if (fresh === undefined) return true;
    if (full || log.undurableBytes > limits.undurableBytes) return false;
    if (fresh.index <= log.lastIndex) log.truncate(fresh.index);
    for (let i = first; i < entries.length; i += 1) log.append(entries[i] as Entry);
    return true;
  }

  #commitTo(index: number): void {
    if (index > this.#server.log.committed) this.#server.log.commitTo(index);
  }
}
