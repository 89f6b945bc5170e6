import { entryBytes, type Entry, type Position } from '../log/entry.js';
import { beginChange, leaveJoint, targetOf, withAddresses, type MembershipStep } from '../log/membership-change.js';
import { isVoter, type Membership } from '../log/membership.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import { ApplyBacklog } from './apply-backlog.js';
import { refuse, type ChangeLimits, type ChangeRefusal, type TransferRefusal } from './change-refusal.js';
import { withStores } from './founding.js';
import { illiterate, raised } from './levels.js';
import type { AppendAccepted, AppendRejected, HeartbeatReply, ReadIndex, SnapshotAck } from './message.js';
import type { PageRead } from './output.js';
import type { Progress } from './progress.js';
import { quorumReached, voteResult } from './quorum.js';
import { ReadRounds } from './reads.js';
import { Replication } from './replication.js';
import { BaseRole, type Server } from './role.js';
import { Transfer } from './transfer.js';
import { answers, bestSuccessor, counts, laggard, mayAnswer } from './voters.js';

/**
 * The leader role: appends entries, counts acknowledgements and commits. A leader steps down if no
 * quorum answers (Raft §5.3, §5.4, §6; thesis §6.2, §6.4).
 */
export class Leader extends BaseRole {
  readonly name = 'leader';
  readonly #server: Server;
  readonly #replication: Replication;
  readonly #rounds = new ReadRounds();
  #heartbeatAt: number;
  #quorumCheckAt: number;
  /** Number of this server's newest read that was passed to `#rounds`. */
  #ticket = 0;
  /** Bytes that this leader has appended but not committed yet. */
  #uncommittedBytes = 0;
  readonly #backlog = new ApplyBacklog();
  #transfer: Transfer | undefined;
  /** The first heartbeat round after this leader's disk became full for the `times`th time. */
  #fullRound = { times: 0, number: Infinity };

  constructor(server: Server) {
    super();
    this.#server = server;
    this.#heartbeatAt = server.now;
    this.#quorumCheckAt = server.now + server.timings.election;
    this.#replication = new Replication(server);
    // A leader counts replicas only for entries of its current term, so it must append one to
    // commit earlier entries (Raft §5.4.2).
    if (server.log.applied < server.log.committed) this.#backlog.committed(server.log.committed, 0, server.now);
    server.log.append({ kind: 'noop', index: server.log.lastIndex + 1, term: server.ballot.term });
  }

  /** Always true. A leader that has lost its quorum steps down within two election timeouts. */
  override get leaderAlive(): boolean {
    return true;
  }

  get wakeAt(): number {
    return Math.min(this.#heartbeatAt, this.#quorumCheckAt, this.#transfer?.until ?? Infinity);
  }

  get peers(): ReadonlyMap<ServerId, Progress> {
    return this.#replication.peers;
  }

  /** Removed servers to which this leader still sends their removal. */
  get leaving(): ReadonlyMap<ServerId, { readonly info: ServerInfo }> {
    return this.#replication.leaving;
  }

  /** The server to which this leader is handing over; undefined if it is not. */
  get transferTarget(): ServerId | undefined {
    return this.#transfer?.target;
  }

  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }

  /**
   * Returns whether an entry of `bytes` may be appended. A single entry is always accepted.
   * Undurable bytes have a separate limit, because a quorum without this leader can commit entries
   * that the leader's slow disk has not written yet. Unapplied entries have limits, too, because
   * the state machine may be slow.
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

  propose(data: Uint8Array): Position {
    const { log, ballot } = this.#server;
    const entry: Entry = { kind: 'command', index: log.lastIndex + 1, term: ballot.term, data };
    log.append(entry);
    this.#uncommittedBytes += entryBytes(entry);
    return entry;
  }

  /**
   * Changes the membership, or returns why not. Only one change may be in progress, and none before
   * this leader has committed an entry of its own term. Otherwise two leaders could commit changes
   * whose quorums do not overlap (the bug of 2015 in single-server changes).
   */
  changeMembership(steps: readonly MembershipStep[], { expected, force }: ChangeLimits): Position | ChangeRefusal {
    const { membership } = this.#server;
    const refused = this.#refuseChange(expected);
    if (refused !== undefined) return refused;
    if (membership.level === 0) return refuse('level');
    if (!membership.founded) return refuse('founding');
    const target = targetOf(membership, steps, (learner) => this.peers.get(learner)?.store);
    if (typeof target === 'string') return refuse('invalid', target);
    const next = beginChange(membership, target);
    const unable = illiterate(this.#server, this.peers, next);
    if (unable !== undefined) return refuse('unable', unable);
    const lagging = laggard(this.#server, this.peers, next);
    if (lagging !== undefined) return refuse('lagging', lagging);
    if (force !== true && !this.#hasQuorum(next, answers)) return refuse('quorumSilent');
    return this.#appendMembership(next);
  }

  /** Raises the feature level to the highest one that every member reads. */
  raiseLevel({ expected }: Pick<ChangeLimits, 'expected'>): Position | ChangeRefusal {
    const refused = this.#refuseChange(expected);
    if (refused !== undefined) return refused;
    const next = raised(this.#server, this.peers);
    return 'refused' in next ? next : this.#appendMembership(next);
  }

  /**
   * Begins to hand over to a voter, by default to the one that needs the fewest entries. Returns
   * why not, if it cannot.
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
      if (this.#hasQuorum(this.#server.membership, mayAnswer)) this.#server.forgiveLateTimer(false);
      else if (!this.#server.forgiveLateTimer(processWasStalled)) return this.#stepDown('quorumSilent');
    }
    if (processWasStalled) this.#server.restartDiskTimer();
    // The other servers have committed entries that this leader can neither write nor apply.
    if (this.#server.diskStalled && log.committed > log.durable) return this.#stepDown('diskStalled');
    if (this.#othersHaveRoom()) return this.#stepDown('diskFull');
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + timings.heartbeat;
      this.#replication.heartbeat(this.#rounds.number);
      this.#recordAddresses();
      // May end this leadership.
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

  /** Whether so many disks are full that no quorum can store a command. */
  get quorumIsFull(): boolean {
    const { membership, id, full } = this.#server;
    const { peers } = this.#replication;
    let anyFull = full;
    for (const progress of peers.values()) anyFull ||= progress.full;
    // This runs for every proposal, and disks are seldom full.
    if (!anyFull) return false;
    const hasRoom = (voter: ServerId): boolean => (voter === id ? !full : peers.get(voter)?.full !== true);
    return voteResult(membership, hasRoom) === 'lost';
  }

  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    this.#replication.pageRead(read, entries);
  }

  /**
   * Called when `from` claims to lead the same term, which means that the two servers have
   * different histories.
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
    // The peer has installed a snapshot, but this leader's log was compacted further in the
    // meantime.
    if (progress.state === 'snapshot' && progress.match > match)
      this.#server.output.snapshot({ kind: 'wanted', peer: from, stream });
    this.#commit();
  }

  override appendRejected(from: ServerId, message: AppendRejected): void {
    const progress = this.#identify(from, message, message.blank);
    if (progress === undefined || !progress.isCurrent(message.stream, message.prevIndex)) return;
    // The newest index at which both logs can match: the peer's hint, limited by this log's terms.
    // So the leader sends at most one probe per term.
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
    // Until an entry of its own term is committed, a leader does not know the commit index (thesis
    // §6.4).
    if (log.termAt(log.committed) === ballot.term && this.#rounds.start(log.committed)) {
      this.#replication.heartbeat(this.#rounds.number);
      this.#endReadRound();
    }
    this.#replication.flush();
    this.#transfer?.flush(this.#replication.peers.get(this.#transfer.target));
  }

  /**
   * Returns the progress of the peer that sent an answer, updated with the fields common to all
   * answers.
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
      // It may be a voter that was demoted because it has lost its disk.
      progress.lost = false;
    } else if (blank && progress.match === 0 && !progress.lost) {
      // A voter that has acknowledged entries was blank before that, as a learner.
      progress.lost = true;
      this.#server.report({ kind: 'blankVoter', peer: from });
    }
    return progress.isExcluded ? undefined : progress;
  }

  /**
   * Commits the entries that are durable on a quorum, if the newest of them has the current term.
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

  /** Returns why the membership cannot be changed now, if it cannot. */
  #refuseChange(expected: number | undefined): ChangeRefusal | undefined {
    const { log, membership, ballot, full } = this.#server;
    if (this.#transfer !== undefined) return refuse('transferring');
    if (full || this.quorumIsFull) return refuse('diskFull');
    if (log.termAt(log.committed) !== ballot.term) return refuse('notReady');
    if (membership.outgoing.length > 0 || log.membershipIndex > log.committed) return refuse('changing');
    const { revision } = membership;
    if (expected !== undefined && expected !== revision) return refuse('revision', `${revision}, not ${expected}`);
    return undefined;
  }

  /** Notes which feature level a peer reads. It is the same for each incarnation of the peer. */
  #noteLevel(peer: ServerId, progress: Progress, level: number): void {
    progress.level = Math.max(progress.level ?? 0, level);
    const needed = this.#server.membership.level;
    if (progress.level < needed) this.#server.reportOnce({ kind: 'lowLevel', peer, level: progress.level, needed });
  }

  #appendMembership(membership: Membership): Position {
    const { log, ballot } = this.#server;
    const at = { index: log.lastIndex + 1, term: ballot.term };
    log.append({ kind: 'membership', ...at, membership });
    this.#replication.followMembership();
    // The new quorum may have answered the round in progress already.
    this.#endReadRound();
    return at;
  }

  /**
   * Carries on once the membership in force is committed: leaves a joint phase, and hands over if
   * this server is no longer a voter (thesis §4.2.2, §4.3).
   */
  #finishChange(): void {
    const { log, membership, ballot, full, id } = this.#server;
    if (log.membershipIndex > log.committed || log.termAt(log.committed) !== ballot.term) return;
    this.#replication.removalsCommitted();
    // The target of a transfer may campaign already, and would lose with a shorter log.
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
   * Writes announced addresses to the membership. Called once per heartbeat, because two servers on
   * copies of one disk may announce addresses in turn, and operators must get a turn, too.
   */
  #recordAddresses(): void {
    const { membership, announced } = this.#server;
    const next = withAddresses(membership, announced);
    if (next !== undefined && this.#refuseChange(undefined) === undefined) this.#appendMembership(next);
  }

  /** Returns a number from a voter's progress, or 0 if the voter does not count. */
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

  /**
   * Returns whether this server and the peers with a property are a quorum. A majority is enough
   * before the founding, too, because nothing is decided here.
   */
  #hasQuorum(members: Membership, property: typeof answers): boolean {
    const { id } = this.#server;
    const membership = { ...members, founded: true };
    return (
      voteResult(membership, (voter) => voter === id || property(this.#server, voter, this.peers.get(voter))) === 'won'
    );
  }

  /**
   * Returns whether this leader's disk is full, and a quorum of other servers is alive and has
   * room, so that one of them can take over as leader.
   */
  #othersHaveRoom(): boolean {
    const { membership, full, timesFull: times } = this.#server;
    if (!full) return false;
    // Earlier answers do not show whether the peers still have room: disks often fill together.
    if (this.#fullRound.times !== times) this.#fullRound = { times, number: this.#rounds.skip() };
    const room = (voter: ServerId): boolean => {
      const progress = this.peers.get(voter);
      if (progress === undefined || progress.full) return false;
      return answers(this.#server, voter, progress) && progress.roomRound >= this.#fullRound.number;
    };
    return voteResult(membership, room) === 'won';
  }

  #stepDown(reason: 'quorumSilent' | 'diskFull' | 'diskStalled' | 'removed'): void {
    this.#server.report({ kind: 'steppedDown', reason });
    this.#server.follow(this.#server.ballot.term, undefined);
  }
}
