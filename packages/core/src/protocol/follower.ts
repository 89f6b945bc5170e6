import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import { isVoter } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type {
  Append,
  Commit,
  Heartbeat,
  ReadIndexReply,
  SnapshotChunk,
  SnapshotOffer,
  TimeoutNow,
  Unreadable,
} from './message.js';
import { BaseRole, type Server } from './role.js';

/**
 * The follower role accepts entries from the leader. A follower campaigns if it receives no
 * messages from a leader for an election timeout (Raft §5.2, §5.3).
 */
export class Follower extends BaseRole {
  readonly name = 'follower';
  readonly #server: Server;
  /** The time of the last message from the leader. */
  #leaderHeardAt = -Infinity;
  #timeout: number;
  #electionAt: number;
  /**
   * The time at which this server last asked the leader to confirm waiting reads; `-Infinity` if it
   * never has.
   */
  #askedAt = -Infinity;

  constructor(server: Server) {
    super();
    this.#server = server;
    this.#timeout = server.drawElectionTimeout();
    this.#electionAt = server.now + this.#timeout;
  }

  get wakeAt(): number {
    return Math.min(this.#electionAt, this.#askAt);
  }

  /**
   * The time at which to ask the leader again to confirm the waiting reads, in case the previous
   * request or its answer was lost.
   */
  get #askAt(): number {
    const { reads, leader, timings } = this.#server;
    return reads.open === undefined || leader === undefined ? Infinity : this.#askedAt + timings.heartbeat;
  }

  /**
   * Whether this server has received a message from the leader within the last election timeout T.
   * The follower's own timeout is drawn at random and can be almost 2T. If that timeout were used
   * here, voters would refuse legitimate candidates for longer.
   */
  override get leaderAlive(): boolean {
    const { leader, now, timings } = this.#server;
    return leader !== undefined && now - this.#leaderHeardAt < timings.election;
  }

  /** Restarts the election timer, which postpones the next election. */
  restartTimer(): void {
    this.#electionAt = this.#server.now + this.#timeout;
  }

  tick(processWasStalled: boolean): void {
    const server = this.#server;
    if (server.now < this.#electionAt) return;
    const forgiven = server.mayCampaign && server.forgiveLateTimer(processWasStalled);
    this.retime();
    if (forgiven) return;
    server.leader = undefined;
    if (server.mayCampaign) server.askForPreVotes();
  }

  retime(): void {
    this.#timeout = this.#server.drawElectionTimeout();
    this.restartTimer();
  }

  override flush(): void {
    const { reads, leader, header, now, log } = this.#server;
    if (reads.open === undefined || leader === undefined || now < this.#askAt) return;
    this.#askedAt = now;
    reads.noteForwarded(reads.open, log.committed);
    this.#server.send(leader, { kind: 'readIndex', ...header, ticket: reads.open });
  }

  override readIndexReply(from: ServerId, { ticket, index }: ReadIndexReply): void {
    const { reads, output } = this.#server;
    const before = reads.committedBefore(ticket);
    if (index < before) throw contradiction(`confirmed a read at entry ${index}`, from, before);
    const ready = reads.answer(ticket, index);
    if (ready === undefined) return;
    output.readsReady(ready);
    this.#askedAt = -Infinity;
  }

  override append(from: ServerId, message: Append): void {
    this.#noteLeader();
    const { log, header, output, full } = this.#server;
    const end = message.prevIndex + message.entries.length;
    const rest = this.#withoutCommitted(from, message);
    const { prevIndex, prevTerm, entries } = rest;
    const { incarnation: to, stream } = message;
    if (log.termAt(prevIndex) !== prevTerm) {
      const { index, term } = log.findConflictByTerm(prevIndex, prevTerm);
      const { blank } = log;
      output.sendAfterWrite(from, {
        kind: 'appendRejected',
        ...header,
        to,
        stream,
        full,
        prevIndex: message.prevIndex,
        hintIndex: index,
        hintTerm: term,
        blank,
      });
      return;
    }
    if (!this.#appendNew(entries)) return;
    this.#commitTo(Math.min(message.committed, end));
    // A leader's log always contains all committed entries. So its log and this one match at least
    // up to this server's commit index, even beyond the last entry of this message.
    const match = Math.max(end, log.committed);
    output.sendAfterWrite(from, { kind: 'appendAccepted', ...header, to, stream, match, full });
  }

  override heartbeat(from: ServerId, message: Heartbeat): void {
    this.commit(from, message);
    const { header, full, log, level, behavior, id } = this.#server;
    // The leader also reports that this server has the wrong disk, but an operator may only see
    // this server's reports.
    if (!log.blank && !this.#server.ownDiskCounts) this.#server.reportOnce({ kind: 'otherStore', peer: id });
    const { incarnation: to, stream, round } = message;
    const state = { full, blank: log.blank, level, behavior };
    this.#server.send(from, { kind: 'heartbeatReply', ...header, to, stream, round, ...state });
  }

  override commit(from: ServerId, message: Heartbeat | Commit): void {
    this.#noteLeader();
    const { log, id } = this.#server;
    // The leader sends a commit index only up to the last entry that this server has acknowledged,
    // so the log must contain that entry. If a voter's log is shorter, the voter has lost
    // acknowledged entries. There are two exceptions. A blank or newly bootstrapped voter already
    // reports its lost disk in its replies. And a learner's disk may be replaced, so this message
    // may be meant for the previous disk.
    if (message.committed <= log.lastIndex) this.#commitTo(message.committed);
    else if (log.membership?.founded === true && isVoter(log.membership, id) && this.#server.ownDiskCounts) {
      throw new KontikiError(
        'KONTIKI_CONTRADICTION',
        `Leader ${from} knows that this server has acknowledged entry ${message.committed}, but its log ends at ${log.lastIndex}: acknowledged entries were lost here. ${REMEDY}`,
      );
    }
  }

  override snapshotOffer(from: ServerId, message: SnapshotOffer): void {
    this.#noteLeader();
    const { log, output } = this.#server;
    const { index, term } = message.meta.last;
    const own = log.termAt(index);
    if (index <= log.committed && own !== undefined && own !== term) {
      throw contradiction(`offered a snapshot that ends with entry ${index} of term ${term}`, from, index);
    }
    // The log already contains the snapshot's last entry, so it matches the leader's log up to that
    // entry (Log Matching).
    if (log.matchesTerm(message.meta.last)) this.#acceptOffered(from, message);
    else output.snapshot({ kind: 'offered', from, message });
  }

  override snapshotChunk(from: ServerId, message: SnapshotChunk): void {
    this.#noteLeader();
    this.#server.output.snapshot({ kind: 'arrived', from, message });
  }

  override timeoutNow(_from: ServerId, _message: TimeoutNow): void {
    if (this.#server.eligible) this.#server.campaign(true);
  }

  /**
   * Handles a message with entries that only a newer version of Kontiki can read. This server
   * appends neither these entries nor later ones, and does not campaign. It still votes, and still
   * acknowledges the entries that it already has.
   */
  override unreadable(_from: ServerId, { index = this.#server.log.lastIndex + 1, reason }: Unreadable): void {
    this.#noteLeader();
    this.#server.noteUnreadable(index, reason);
  }

  #acceptOffered(from: ServerId, { incarnation: to, stream, meta }: SnapshotOffer): void {
    const { log, header, output, full } = this.#server;
    this.#commitTo(Math.min(meta.last.index, log.lastIndex));
    output.sendAfterWrite(from, { kind: 'appendAccepted', ...header, to, stream, match: log.committed, full });
  }

  #noteLeader(): void {
    this.#leaderHeardAt = this.#server.now;
    this.#server.renewPromise();
    this.#server.forgiveLateTimer(false);
    this.restartTimer();
  }

  /**
   * Returns the message without the entries that are already committed on this server. Throws
   * `KONTIKI_CONTRADICTION` if an entry differs from a committed entry, because no correct leader
   * sends such an entry.
   */
  #withoutCommitted(from: ServerId, message: Append): Pick<Append, 'prevIndex' | 'prevTerm' | 'entries'> {
    const { log } = this.#server;
    const { prevIndex, prevTerm, entries } = message;
    const known = Math.min(entries.length, log.committed - prevIndex);
    if (known < 0) return message;
    let at = { index: prevIndex, term: prevTerm };
    for (let i = 0; ; i += 1) {
      if (at.index >= log.base.index && log.termAt(at.index) !== at.term) {
        throw contradiction(`sent entry ${at.index} of term ${at.term}`, from, at.index);
      }
      const next = entries[i];
      if (i >= known || next === undefined) break;
      at = next;
    }
    // All entries precede the log's base, so their terms are no longer known. Continue from the
    // base.
    if (at.index < log.base.index) at = log.base;
    return { prevIndex: at.index, prevTerm: at.term, entries: entries.slice(known) };
  }

  /**
   * Appends the entries that the log does not contain yet. Truncates the log only if an existing
   * entry has a different term. Returns false if there is no room for the entries.
   */
  #appendNew(entries: readonly Entry[]): boolean {
    const { log, full, limits } = this.#server;
    const first = entries.findIndex((entry) => log.termAt(entry.index) !== entry.term);
    const fresh = entries[first];
    if (fresh === undefined) return true;
    // Every disk reserves room for the no-op entry of a new leader.
    if (full && !entries.slice(first).every(({ kind }) => kind === 'noop')) return false;
    if (log.undurableBytes > limits.undurableBytes) return false;
    if (fresh.index <= log.lastIndex) log.truncate(fresh.index);
    for (let i = first; i < entries.length; i += 1) log.append(entries[i] as Entry);
    this.#server.noteStamp(entries.at(-1)?.time);
    return true;
  }

  #commitTo(index: number): void {
    if (index > this.#server.log.committed) this.#server.log.commitTo(index);
  }
}

const REMEDY =
  'One of the two servers was restored from an old copy, or has lost data. Nothing was truncated. Compare the logs, remove the server with the wrong history from the cluster, and add a server with a new id.';

function contradiction(what: string, leader: ServerId, index: number): KontikiError {
  return new KontikiError(
    'KONTIKI_CONTRADICTION',
    `Leader ${leader} ${what}, but another history up to entry ${index} is committed on this server. ${REMEDY}`,
  );
}
