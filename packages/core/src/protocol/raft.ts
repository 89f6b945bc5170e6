import { invariant } from '../invariant.js';
import type { Ballot } from '../log/ballot.js';
import { commandBytes, type Entry, type Position } from '../log/entry.js';
import type { RaftLog } from '../log/raft-log.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { AddressChange, MembershipStep } from '../log/membership-change.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import type { ChangeLimits, ChangeRefusal, TransferRefusal } from './change-refusal.js';
import { changed, type DraftMembership } from './changes.js';
import { quorumIsFull } from './disk-room.js';
import type { Forwarded } from './forwarded.js';
import { Leader } from './leader.js';
import { withLease } from './lease.js';
import { commonBehavior, raised } from './levels.js';
import type { ProposalRefusal, Received, SnapshotChunk, SnapshotOffer } from './message.js';
import { NextExpiry } from './next-expiry.js';
import type { Output, PageRead } from './output.js';
import type { Progress } from './progress.js';
import { RaftServer, type RaftStart, type UnreadableLog } from './raft-server.js';
import type { Header, RoleName } from './role.js';
import type { Limits, Timings } from './settings.js';
import { step } from './step.js';

/** The fields of a snapshot message that the snapshot sender fills in. */
export type SnapshotBody =
  Pick<SnapshotOffer, 'kind' | 'meta' | 'bytes'> | Pick<SnapshotChunk, 'kind' | 'id' | 'offset' | 'data'>;

const noServers: ReadonlyMap<ServerId, { readonly info: ServerInfo }> = new Map();

/**
 * The Raft protocol of one server as a pure state machine. Its methods are the inputs, and
 * `takeOutput` returns the resulting output. The same inputs always produce the same output,
 * because there is no clock, no promise and no I/O, and the random number generator is passed in.
 * `RawNode` drives this class.
 *
 * Except for pre-votes, a server sends no message in a term before that term is durable on its
 * disk. Suppose that a candidate sent its vote requests earlier. It could win with the votes of
 * other servers, send entries, crash and forget the term. After that, it could win the same term
 * again and append different entries at the same indices.
 */
export class Raft {
  readonly #server: RaftServer;
  readonly #expiry = new NextExpiry();

  constructor(start: RaftStart) {
    this.#server = new RaftServer(start);
  }

  // ---- The public state of the protocol.

  get id(): ServerId {
    return this.#server.id;
  }

  get log(): RaftLog {
    return this.#server.log;
  }

  get role(): RoleName {
    return this.#server.role.name;
  }

  /** The leader of the current term; undefined if this server does not know it. */
  get leader(): ServerId | undefined {
    return this.#server.leader;
  }

  get ballot(): Ballot {
    return this.#server.ballot;
  }

  /** The term, incarnation and store identity that all messages of this server carry. */
  get header(): Header {
    return this.#server.header;
  }

  get limits(): Limits {
    return this.#server.limits;
  }

  get timings(): Timings {
    return this.#server.timings;
  }

  /** The monotonic time in milliseconds, as last set by `advance`. */
  get now(): number {
    return this.#server.now;
  }

  /** Whether the disk is too full for another log segment. */
  get full(): boolean {
    return this.#server.full;
  }

  /** Whether the disk has not finished any write for several election timeouts. */
  get diskStalled(): boolean {
    return this.#server.diskStalled;
  }

  /** The highest feature level that this server supports. */
  get level(): number {
    return this.#server.level;
  }

  /**
   * The newest version of the state machine's behavior on this server; undefined if the state
   * machine has no versions.
   */
  get behavior(): number | undefined {
    return this.#server.behavior;
  }

  /**
   * The part of the leader's log that this server cannot read; undefined if it can read the whole
   * log.
   */
  get unreadable(): UnreadableLog | undefined {
    return this.#server.unreadable;
  }

  /** The progress of each peer; undefined if this server is not the leader. */
  get peers(): ReadonlyMap<ServerId, Progress> | undefined {
    const { role } = this.#server;
    return role instanceof Leader ? role.peers : undefined;
  }

  /** Removed servers to which this leader still sends the entry that removes them. */
  get leaving(): ReadonlyMap<ServerId, { readonly info: ServerInfo }> {
    const { role } = this.#server;
    return role instanceof Leader ? role.leaving : noServers;
  }

  /** The target of the current leadership transfer; undefined if no transfer is in progress. */
  get transferTarget(): ServerId | undefined {
    const { role } = this.#server;
    return role instanceof Leader ? role.transferTarget : undefined;
  }

  /** Bytes of entries that this leader has appended but not committed yet. */
  get uncommittedBytes(): number {
    const { role } = this.#server;
    return role instanceof Leader ? role.uncommittedBytes : 0;
  }

  /** The time of the next `tick`, on the same clock as `advance`. */
  get wakeAt(): number {
    return this.#server.role.wakeAt;
  }

  // ---- Inputs to the protocol.

  /**
   * Sets the current time without checking timers. This lets a driver process messages that have
   * already arrived before it calls `tick`. `wallOffset` is the wall clock minus the monotonic
   * clock, in milliseconds.
   */
  advance(now: number, wallOffset: number = 0): void {
    invariant(now >= this.#server.now, () => `time cannot go back from ${this.#server.now} to ${now}`);
    this.#server.advance(now, wallOffset);
  }

  /**
   * Checks the timers. `processWasStalled` means that this process itself was delayed, so the
   * absence of messages from other servers proves nothing.
   */
  tick(processWasStalled: boolean): void {
    this.#server.role.tick(processWasStalled);
    this.#expiry.check(this.#server, () => this.mark());
  }

  /** Sets the log time at which the applied state changes next without a command. */
  setExpiry(time: number | undefined): void {
    this.#expiry.time = time;
  }

  /**
   * Processes a message from a server of this cluster. The sender need not be a member as far as
   * this server knows, because this server may not have received the newest membership yet.
   */
  step(from: ServerId, message: Received): void {
    step(this.#server, from, message, this.#propose);
  }

  readonly #propose = (data: Uint8Array): Position | ProposalRefusal => this.propose(data);

  /**
   * Appends a command and returns the entry's position, or the reason why it was refused. The entry
   * is not committed yet.
   */
  propose(data: Uint8Array): Position | ProposalRefusal {
    return this.#append(data);
  }

  /**
   * Appends an entry without a command. Its index is greater than the index of every earlier entry,
   * so it can serve as a fencing token once the entry is committed.
   */
  mark(): Position | ProposalRefusal {
    const { role } = this.#server;
    // Even servers with a full disk accept entries without a command, so that a leader can be
    // elected. But the space that they reserve is limited, so it is not used for fencing tokens.
    if (role instanceof Leader && [...role.peers.values()].some(({ full }) => full)) return 'diskFull';
    return this.#append(undefined);
  }

  #append(data: Uint8Array | undefined): Position | ProposalRefusal {
    const { role, full } = this.#server;
    if (!(role instanceof Leader)) return 'notLeader';
    if (role.transferTarget !== undefined) return 'transferring';
    if (full || quorumIsFull(this.#server, role.peers)) return 'diskFull';
    if (!role.hasRoomFor(commandBytes(data?.length ?? 0))) return 'overloaded';
    return role.propose(data);
  }

  /** Forwards proposals and membership calls to the leader. */
  get forwarded(): Forwarded {
    return this.#server.forwarded;
  }

  /**
   * Changes the membership and returns the position of its entry, or the reason why the change was
   * refused. If the change needs a joint membership, the leader ends the joint phase without
   * another call once that membership is committed.
   */
  changeMembership(steps: readonly MembershipStep[], limits: ChangeLimits = {}): Position | ChangeRefusal {
    const { expected, force } = limits;
    return this.#change((server, peers) => changed(server, peers, steps, force), expected);
  }

  /**
   * Raises the feature level of the cluster to the highest level that every member supports.
   * Returns the position of the entry with the new membership, or the reason why the change was
   * refused.
   */
  raiseLevel(limits: Pick<ChangeLimits, 'expected'> = {}): Position | ChangeRefusal {
    return this.#change(raised, limits.expected);
  }

  /**
   * Sets the length of a leader's lease in milliseconds; 0 turns leases off. Returns the position of
   * the entry with the new membership, or the reason why the change was refused.
   */
  setLease(leaseMs: number, limits: Pick<ChangeLimits, 'expected'> = {}): Position | ChangeRefusal {
    return this.#change((server) => withLease(server, leaseMs), limits.expected);
  }

  #change(draft: DraftMembership, expected: number | undefined): Position | ChangeRefusal {
    const { role } = this.#server;
    return role instanceof Leader ? role.change(draft, expected) : { refused: 'notLeader', detail: '' };
  }

  /**
   * Returns the newest version of the state machine's behavior that every member has, or 0 if some
   * member has none. Returns a refusal if not all members' versions are known.
   */
  commonBehavior(): number | ChangeRefusal {
    const { role } = this.#server;
    return role instanceof Leader ? commonBehavior(this.#server, role.peers) : { refused: 'notLeader', detail: '' };
  }

  /**
   * Starts a leadership transfer. The default target is the most up-to-date voter. If the transfer
   * cannot start, returns the reason. The transfer ends within an election timeout.
   */
  transfer(to?: ServerId): TransferRefusal | undefined {
    const { role } = this.#server;
    return role instanceof Leader ? role.transfer(to) : 'notLeader';
  }

  /**
   * Starts a linearizable read and returns its number. `Output.reads` reports when the read may be
   * served.
   */
  read(): number {
    return this.#server.reads.ask();
  }

  /**
   * Returns whether this server leads and holds a lease at a time, which may be later than the last
   * call of `advance`. While it does, no other server can have been elected, so the state of all
   * entries up to `log.committed` is up to date. Check this after reading that state, too.
   */
  holdsLease(now: number, wallOffset: number = 0): boolean {
    const { role } = this.#server;
    return role instanceof Leader && role.holdsLease(now, wallOffset);
  }

  /** Records that all writes up to `number` are durable. */
  persisted(number: number): void {
    this.log.persisted(number);
    this.#server.noteDurable();
    this.#server.role.persisted();
  }

  /** Records that the state machine has applied everything up to `index`. */
  applied(index: number): void {
    this.log.appliedTo(index);
    this.#server.role.applied(index);
  }

  /**
   * Passes in the entries that `Output.pageReads` requested. `entries` is undefined if they have
   * been compacted in the meantime.
   */
  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    const { role } = this.#server;
    if (role instanceof Leader) role.pageRead(read, entries);
  }

  /**
   * Starts an election now, without waiting for the election timer. Does nothing while another server
   * may hold a lease.
   */
  campaign(): void {
    if (this.#server.mayVote) this.#server.askForPreVotes();
  }

  /**
   * Sends a snapshot offer or chunk to a peer, for the stream from the `wanted` event. Returns
   * false if that stream has ended.
   */
  sendSnapshot(peer: ServerId, stream: number, body: SnapshotBody): boolean {
    const progress = this.peers?.get(peer);
    if (progress?.state !== 'snapshot' || progress.stream !== stream || progress.isExcluded) return false;
    this.#server.send(peer, { ...body, ...this.header, stream });
    return true;
  }

  /**
   * Acknowledges to the leader that this server has all bytes of the offered snapshot before
   * `offset`.
   */
  acknowledgeSnapshot(from: ServerId, message: SnapshotOffer | SnapshotChunk, id: string, offset: number): void {
    if (message.term !== this.ballot.term || this.leader !== from) return;
    const { incarnation: to, stream } = message;
    this.#server.send(from, { kind: 'snapshotAck', ...this.header, to, stream, id, offset });
  }

  /**
   * Replaces the log with a snapshot that was received from `from` and is durable on this server.
   * If the log already contains the snapshot's last entry, only advances the commit index and
   * returns false.
   */
  install(meta: SnapshotMeta, from: ServerId, message: SnapshotOffer | SnapshotChunk): boolean {
    const { log } = this;
    const installs = !log.matchesTerm(meta.last);
    if (installs) {
      log.reset({ ...meta.last, membership: meta.membership });
      this.#server.noteStamp(meta.time);
    } else if (meta.last.index > log.committed) log.commitTo(meta.last.index);
    if (message.term === this.ballot.term && this.leader === from) {
      const { incarnation: to, stream } = message;
      const match = meta.last.index;
      const { header, full } = this;
      this.#server.renewPromise();
      this.#server.output.sendAfterWrite(from, { kind: 'appendAccepted', ...header, to, stream, match, full });
    }
    return installs;
  }

  /** Discards the entries up to `index`, which a durable snapshot covers. */
  compact(index: number): void {
    this.log.compact(index);
  }

  /**
   * Sets the addresses that members have announced and that differ from the committed membership.
   */
  setAnnounced(changes: ReadonlyMap<ServerId, AddressChange>): void {
    this.#server.announced = changes;
  }

  /** Sets whether the disk is too full for another log segment. */
  setFull(full: boolean): void {
    if (full && !this.#server.full) this.#server.timesFull += 1;
    this.#server.full = full;
  }

  setTimings(timings: Timings): void {
    this.#server.timings = timings;
    this.#server.role.retime();
  }

  /** Returns the output since the previous call. */
  takeOutput(): Output {
    return this.#server.takeOutput();
  }
}
