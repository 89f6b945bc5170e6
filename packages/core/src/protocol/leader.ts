import { entryBytes, type Entry, type Position } from '../log/entry.js';
import { leaveJoint, withAddresses } from '../log/membership-change.js';
import { isVoter, type Membership } from '../log/membership.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import { ApplyBacklog } from './apply-backlog.js';
import { refuse, type ChangeRefusal, type TransferRefusal } from './change-refusal.js';
import { refuseChange, type DraftMembership } from './changes.js';
import { RoomElsewhere } from './disk-room.js';
import { withStores } from './founding.js';
import { Lease } from './lease.js';
import type { AppendAccepted, AppendRejected, HeartbeatReply, ReadIndex, SnapshotAck } from './message.js';
import type { PageRead } from './output.js';
import type { Progress } from './progress.js';
import { quorumReached } from './quorum.js';
import { ReadRounds } from './reads.js';
import { Replication } from './replication.js';
import { BaseRole, type Server } from './role.js';
import { Transfer } from './transfer.js';
import { answers, bestSuccessor, counts, hasQuorum, mayAnswer } from './voters.js';

/**
 * The leader role appends entries, counts acknowledgements and commits entries. It steps down if no
 * quorum answers (Raft §5.3, §5.4, §6; thesis §6.2, §6.4).
 */
export class Leader extends BaseRole {
  readonly name = 'leader';
  readonly #server: Server;
  readonly #replication: Replication;
  readonly #rounds = new ReadRounds();
  readonly #lease: Lease;
  #heartbeatAt: number;
  #quorumCheckAt: number;
  /** The number of the newest of this server's reads that has been passed to `#rounds`. */
  #ticket = 0;
  /** Bytes of entries that this leader has appended but not committed yet. */
  #uncommittedBytes = 0;
  readonly #backlog = new ApplyBacklog();
  #transfer: Transfer | undefined;
  readonly #room: RoomElsewhere;

  constructor(server: Server) {
    super();
    this.#server = server;
    this.#heartbeatAt = server.now;
    this.#quorumCheckAt = server.now + server.timings.election;
    this.#replication = new Replication(server);
    this.#lease = new Lease(server);
    this.#room = new RoomElsewhere(server, this.#rounds);
    // A leader commits by counting replicas only for entries of its current term. So it must append
    // an entry of this term in order to commit entries of earlier terms (Raft §5.4.2).
    if (server.log.applied < server.log.committed) this.#backlog.committed(server.log.committed, 0, server.now);
    const { log, ballot } = server;
    log.append({ kind: 'noop', index: log.lastIndex + 1, term: ballot.term, time: server.stamp() });
  }

  /** Always true. A leader that loses its quorum steps down within two election timeouts. */
  override get leaderAlive(): boolean {
    return true;
  }

  get wakeAt(): number {
    return Math.min(this.#heartbeatAt, this.#quorumCheckAt, this.#transfer?.until ?? Infinity);
  }

  get peers(): ReadonlyMap<ServerId, Progress> {
    return this.#replication.peers;
  }

  /** Removed servers to which this leader still sends the entry that removes them. */
  get leaving(): ReadonlyMap<ServerId, { readonly info: ServerInfo }> {
    return this.#replication.leaving;
  }

  /** The target of the current leadership transfer; undefined if no transfer is in progress. */
  get transferTarget(): ServerId | undefined {
    return this.#transfer?.target;
  }

  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  /**
   * Returns whether the leader has room for an entry of this size. An entry of any size fits under
   * a limit as long as nothing else counts toward that limit. Bytes that are not durable on the
   * leader's disk have a separate limit, because the other servers can commit entries without
   * waiting for the leader's slow disk. Unapplied entries are also limited, because the state
   * machine may be slow.
   */
  hasRoomFor(bytes: number): boolean {
    const { limits, log, now } = this.#server;
    const fits = (held: number, limit: number): boolean => held === 0 || held + bytes <= limit;
    return (
      this.#backlog.age(now) <= limits.unappliedMs &&
      fits(this.#uncommittedBytes, limits.uncommittedBytes) &&
      fits(log.undurableBytes, limits.undurableBytes) &&
      fits(this.#backlog.bytes, limits.unappliedBytes)
    );
  }

  /** Appends a command, or an entry without a command. */
  propose(data: Uint8Array | undefined): Position {
    const { log } = this.#server;
    const [index, term, time] = [log.lastIndex + 1, this.#server.ballot.term, this.#server.stamp()];
    const entry: Entry =
      data === undefined ? { kind: 'noop', index, term, time } : { kind: 'command', index, term, time, data };
    log.append(entry);
    if (data !== undefined) this.#uncommittedBytes += entryBytes(entry);
    return entry;
  }

  /** Appends the membership that `draft` returns, or returns the reason why the change is refused. */
  change(draft: DraftMembership, expected: number | undefined): Position | ChangeRefusal {
    const next = this.#refuseChange(expected) ?? draft(this.#server, this.peers);
    return 'refused' in next ? next : this.#appendMembership(next);
  }

  /** Returns whether this leader holds a lease at the time `now`. See `Raft.holdsLease`. */
  holdsLease(now: number, wallOffset: number): boolean {
    const { membership, log, id } = this.#server;
    // A peer without the entry that sets the lease may vote for another candidate at any time.
    const answered = quorumReached(membership, (voter) =>
      voter === id ? Infinity : this.#counted(voter, ({ match, round }) => (match < log.membershipIndex ? 0 : round)),
    );
    return this.#lease.holds(answered, now, wallOffset);
  }

  /**
   * Starts a leadership transfer. The default target is the most up-to-date voter. If the transfer
   * cannot start, returns the reason.
   */
  transfer(to?: ServerId): TransferRefusal | undefined {
    const { membership, id } = this.#server;
    const target = to ?? bestSuccessor(this.#server, this.peers);
    if (this.#transfer !== undefined) return this.#transfer.target === to ? undefined : 'transferring';
    if (target === undefined) return 'away';
    if (target === id || !membership.voters.includes(target)) return 'notVoter';
    if (!answers(this.#server, target, this.peers.get(target))) return 'away';
    this.#transfer = new Transfer(this.#server, target, false);
    return undefined;
  }

  tick(processWasStalled: boolean): void {
    const { now, timings, log } = this.#server;
    if (this.#transfer !== undefined && now >= this.#transfer.until) {
      const { resigns, target } = this.#transfer;
      this.#transfer = undefined;
      if (resigns) return this.#stepDown('removed');
      this.#server.report({ kind: 'transferFailed', peer: target });
    }
    if (now >= this.#quorumCheckAt) {
      this.#quorumCheckAt = now + timings.election;
      if (hasQuorum(this.#server, this.peers, this.#server.membership, mayAnswer)) this.#server.forgiveLateTimer(false);
      else if (!this.#server.forgiveLateTimer(processWasStalled)) return this.#stepDown('quorumSilent');
    }
    if (processWasStalled) this.#server.restartDiskTimer();
    // The other servers have committed entries that this leader can neither store nor apply.
    if (this.#server.diskStalled && log.committed > log.durable) return this.#stepDown('diskStalled');
    if (this.#room.isKnown(this.peers)) return this.#stepDown('diskFull');
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + timings.heartbeat;
      this.#heartbeat(this.#lease.isOn ? this.#rounds.skip() : this.#rounds.number);
      this.#recordAddresses();
      // The next call may end the leadership, so it must come last.
      this.#finishChange();
    }
  }

  retime(): void {
    const { now, timings } = this.#server;
    this.#heartbeatAt = Math.min(this.#heartbeatAt, now + timings.heartbeat);
    this.#quorumCheckAt = now + timings.election;
  }

  override persisted(): void {
    this.#commit();
  }

  override applied(index: number): void {
    this.#backlog.applied(index);
  }

  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    this.#replication.pageRead(read, entries);
  }

  /**
   * Excludes a peer that claims to lead the same term. Raft allows only one leader per term, so the
   * two servers must have different histories.
   */
  exclude(from: ServerId): void {
    const progress = this.#replication.peers.get(from);
    if (progress !== undefined) progress.contradicts = true;
  }

  override appendAccepted(from: ServerId, message: AppendAccepted): void {
    const progress = this.#identify(from, message, false);
    if (progress === undefined) return;
    if (message.match > this.#server.log.lastIndex) {
      progress.contradicts = true;
      return this.#server.report({ kind: 'ackBeyondLog', peer: from, index: message.match });
    }
    const { match, stream } = progress;
    progress.accepted(message.match, this.#server.log.base.index);
    // The peer has installed a snapshot. In the meantime, the leader has compacted more of its log,
    // so the peer needs a newer snapshot.
    if (progress.state === 'snapshot' && progress.match > match)
      this.#server.output.snapshot({ kind: 'wanted', peer: from, stream });
    this.#commit();
  }

  override appendRejected(from: ServerId, message: AppendRejected): void {
    const progress = this.#identify(from, message, message.blank);
    if (progress === undefined || !progress.isCurrent(message.stream, message.prevIndex)) return;
    // The newest index at which both logs can match: the peer's hint, limited by the terms in this
    // log. From there, the leader needs at most one probe per term.
    const { log } = this.#server;
    const match = log.findConflictByTerm(Math.min(message.hintIndex, log.lastIndex), message.hintTerm);
    progress.rejected(message.prevIndex, match.index);
  }

  override heartbeatReply(from: ServerId, message: HeartbeatReply): void {
    const progress = this.#identify(from, message, message.blank);
    if (progress === undefined) return;
    progress.onHeartbeatReply(this.#server.now, this.#server.timings.heartbeat);
    if (message.round >= progress.round) progress.roomRound = message.full ? 0 : message.round;
    progress.round = Math.max(progress.round, message.round);
    this.#noteLevel(from, progress, message.level ?? 0);
    progress.behavior = message.behavior ?? 0;
    this.#endReadRound();
  }

  override snapshotAck(from: ServerId, message: SnapshotAck): void {
    const progress = this.#replication.identify(from, message);
    if (progress?.state === 'snapshot' && progress.stream === message.stream)
      this.#server.output.snapshot({ kind: 'acknowledged', from, message });
  }

  override readIndex(from: ServerId, { incarnation, ticket }: ReadIndex): void {
    this.#rounds.ask({ server: from, incarnation, ticket });
  }

  override flush(): void {
    const { reads, id, header, log, ballot } = this.#server;
    if (reads.open !== undefined && reads.open > this.#ticket) {
      this.#ticket = reads.open;
      this.#rounds.ask({ server: id, incarnation: header.incarnation, ticket: reads.open });
    }
    // A leader does not know the cluster's newest commit index until it has committed an entry of
    // its own term (thesis §6.4).
    if (log.termAt(log.committed) === ballot.term && this.#rounds.start(log.committed)) {
      this.#heartbeat(this.#rounds.number);
      this.#endReadRound();
    }
    this.#replication.flush();
    if (this.#transfer?.flush(this.#replication.peers.get(this.#transfer.target)) === true) this.#lease.giveUp();
  }

  #heartbeat(round: number): void {
    this.#lease.noteSent(round);
    this.#replication.heartbeat(round);
  }

  /**
   * Returns the progress of the peer that sent `message`, updated with the fields that all answers
   * share. Returns undefined if the answer must be ignored.
   */
  #identify(
    from: ServerId,
    message: AppendAccepted | AppendRejected | HeartbeatReply,
    blank: boolean,
  ): Progress | undefined {
    const progress = this.#replication.identify(from, message);
    if (progress === undefined) return undefined;
    progress.full = message.full;
    if (!this.#server.trusts(from, progress.store)) this.#server.reportOnce({ kind: 'otherStore', peer: from });
    if (this.#server.membership.learners.includes(from)) {
      // This learner may be a former voter that was demoted because it lost its disk.
      progress.lost = false;
    } else if (blank && progress.match === 0 && !progress.lost) {
      // If the voter has already acknowledged entries, this is a delayed reply from the time when
      // it was a blank learner. Ignore such a reply.
      progress.lost = true;
      this.#server.report({ kind: 'blankVoter', peer: from });
    }
    return progress.isExcluded ? undefined : progress;
  }

  /**
   * Commits the entries that are durable on a quorum, if the newest of them is of the current term.
   * Counting replicas proves nothing about entries of earlier terms (Raft §5.4.2, Figure 8).
   */
  #commit(): void {
    const { log, membership, ballot, id, now } = this.#server;
    const held = quorumReached(membership, (voter) =>
      voter === id ? log.durable : this.#counted(voter, ({ match }) => match),
    );
    if (held <= log.committed || log.termAt(held) !== ballot.term) return;
    let bytes = 0;
    for (let index = log.committed + 1; index <= held; index += 1) {
      const entry = log.entry(index);
      if (entry === undefined) continue;
      bytes += entryBytes(entry);
      if (entry.kind === 'command' && entry.term === ballot.term) this.#uncommittedBytes -= entryBytes(entry);
    }
    log.commitTo(held);
    this.#backlog.committed(held, bytes, now);
    this.#finishChange();
  }

  #refuseChange(expected: number | undefined): ChangeRefusal | undefined {
    return this.#transfer === undefined ? refuseChange(this.#server, this.peers, expected) : refuse('transferring');
  }

  /**
   * Stores the highest feature level that a peer supports. It is assumed not to fall when the peer
   * restarts.
   */
  #noteLevel(peer: ServerId, progress: Progress, level: number): void {
    progress.level = Math.max(progress.level ?? 0, level);
    const needed = this.#server.membership.level;
    if (progress.level < needed) this.#server.reportOnce({ kind: 'lowLevel', peer, level: progress.level, needed });
  }

  #appendMembership(membership: Membership): Position {
    const { log, ballot } = this.#server;
    const at = { index: log.lastIndex + 1, term: ballot.term, time: this.#server.stamp() };
    log.append({ kind: 'membership', ...at, membership });
    this.#replication.followMembership();
    // The members of the new quorum may already have answered the current read round.
    this.#endReadRound();
    return at;
  }

  /**
   * Performs the next step of a membership change once the membership in force is committed. Leaves
   * a joint membership, or transfers the leadership if this server is no longer a voter (thesis
   * §4.2.2, §4.3).
   */
  #finishChange(): void {
    const { log, membership, ballot, full, id } = this.#server;
    if (log.membershipIndex > log.committed || log.termAt(log.committed) !== ballot.term) return;
    this.#replication.removalsCommitted();
    // Append no entries during a transfer. The target may already be campaigning, and new entries
    // would make its log too short to win.
    if (this.#transfer !== undefined) return;
    if (membership.outgoing.length > 0) {
      if (!full) this.#appendMembership(leaveJoint(membership));
    } else if (!isVoter(membership, id)) {
      const successor = bestSuccessor(this.#server, this.peers);
      if (successor === undefined) return this.#stepDown('removed');
      this.#transfer = new Transfer(this.#server, successor, true);
    } else {
      const next = full ? undefined : withStores(this.#server, this.peers);
      if (next !== undefined) this.#appendMembership(next);
    }
  }

  /**
   * Records announced addresses in the membership. Called at most once per heartbeat. Two servers
   * that run on copies of one disk may keep announcing different addresses. Operators must still be
   * able to make changes in between.
   */
  #recordAddresses(): void {
    const { membership, announced } = this.#server;
    const next = withAddresses(membership, announced);
    if (next !== undefined && this.#refuseChange(undefined) === undefined) this.#appendMembership(next);
  }

  /** Returns a value from a voter's progress, or 0 if that voter does not count toward quorums. */
  #counted(voter: ServerId, of: (progress: Progress) => number): number {
    const progress = this.#replication.peers.get(voter);
    return counts(this.#server, voter, progress) ? of(progress) : 0;
  }

  #endReadRound(): void {
    const { membership, id, output, reads, header } = this.#server;
    const answered = quorumReached(membership, (voter) =>
      voter === id ? this.#rounds.number : this.#counted(voter, ({ round }) => round),
    );
    const round = this.#rounds.end(answered);
    if (round === undefined) return;
    const { index } = round;
    for (const { server, incarnation: to, ticket } of round.askers) {
      if (server !== id) output.send(server, { kind: 'readIndexReply', ...header, to, ticket, index });
      else {
        const ready = reads.answer(ticket, index);
        if (ready !== undefined) output.readsReady(ready);
      }
    }
  }

  #stepDown(reason: 'quorumSilent' | 'diskFull' | 'diskStalled' | 'removed'): void {
    this.#server.report({ kind: 'steppedDown', reason });
    this.#server.follow(this.#server.ballot.term, undefined);
  }
}
