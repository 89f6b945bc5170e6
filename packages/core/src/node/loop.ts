import { isKontikiError, type KontikiError } from '../errors.js';
import type { Ballot } from '../log/ballot.js';
import type { AppliedPosition, Entry } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { Base } from '../log/raft-log.js';
import type { ServerId } from '../log/server.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LogStore, LogWrite } from '../ports/log-store.js';
import type { Logger } from '../ports/logger.js';
import type { SnapshotStore } from '../ports/snapshot-store.js';
import type { StateMachine } from '../ports/state-machine.js';
import type { Received } from '../protocol/message.js';
import type { DelegateEvent, Mail, PageRead, Write } from '../protocol/output.js';
import type { Raft } from '../protocol/raft.js';
import type { RawNode, TurnHooks } from '../protocol/raw-node.js';
import { genesisOf } from '../wire/genesis.js';
import type { AddressBook } from './address-book.js';
import { Applier } from './apply/applier.js';
import { restoreInstalled } from './apply/restore.js';
import { Operations } from './calls/operations.js';
import { Proposals } from './calls/proposals.js';
import { ReadQueue } from './calls/read-queue.js';
import { ReadStarter } from './calls/reads.js';
import { closeParts } from './close-parts.js';
import { ChangeEvents } from './events/change-events.js';
import type { Emitter } from './events/emitter.js';
import type { NodeEvents } from './events/events.js';
import { Feeds } from './events/feed.js';
import { logReport } from './events/reports.js';
import type { NodeIdentity } from './identity.js';
import { DEFAULT_TIMEOUT, type NodeOptions } from './options.js';
import { defaultSnapshotPolicy } from './snapshots/policy.js';
import { Snapshots } from './snapshots/snapshots.js';
import { SnapshotTaker } from './snapshots/taker.js';
import { readEntries } from './read-entries.js';
import { Situation } from './situation.js';
import type { AlignedStores } from './start/align-stores.js';
import { TransportSwitch } from './transport-switch.js';
import { TurnSchedule } from './turn-schedule.js';
import { wallOffset } from './wall-offset.js';

export interface LoopOptions<Result> {
  readonly options: NodeOptions<Result>;
  readonly raw: RawNode;
  readonly identity: NodeIdentity;
  readonly book: AddressBook;
  readonly aligned: AlignedStores;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly events: Emitter<NodeEvents>;
  /** Called when an error stops the server. */
  readonly onFailure: (error: Error) => void;
}

/**
 * The event loop of a node, which connects a `RawNode` to the ports. In each turn, the `RawNode`
 * processes all waiting inputs, and `#turn` processes its output step by step. Inputs that arrive
 * while the disk or the network is busy form the batch of the next turn, so batching needs no
 * timer.
 */
export class Loop<Result> {
  readonly transport: TransportSwitch;
  readonly proposals: Proposals<Result>;
  readonly reads: ReadQueue;
  readonly readStarter: ReadStarter;
  readonly operations: Operations;
  readonly feeds: Feeds<Result>;
  readonly applier: Applier<Result>;
  readonly snapshots: Snapshots | undefined;
  readonly situation: Situation;
  /**
   * Called with a call that another server delegates to this leader, or with a reply to a call
   * that this server delegated.
   */
  onDelegated: (event: DelegateEvent) => void = () => {};
  /** The position of the last entry that the state machine has applied. */
  applied: AppliedPosition;
  readonly #raw: RawNode;
  readonly #log: LogStore;
  readonly #machine: Pick<StateMachine, 'nextExpiry'>;
  readonly #identity: NodeIdentity;
  readonly #book: AddressBook;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #events: Emitter<NodeEvents>;
  readonly #changes: ChangeEvents;
  readonly #onFailure: (error: Error) => void;
  readonly #hooks: TurnHooks;
  readonly #timer: Timer;
  readonly #turns: TurnSchedule;
  #memberships: readonly MembershipAt[] = [];
  #bookVersion = 0;
  #leaving: Raft['leaving'] | undefined;
  #stopped = false;

  constructor({
    options,
    raw,
    identity,
    book,
    aligned,
    clock,
    random,
    logger,
    events,
    onFailure,
  }: LoopOptions<Result>) {
    const { log, machine, transport, snapshots, snapshotCompression } = options;
    this.#raw = raw;
    const { applied } = raw.raft.log;
    this.applied = { index: applied, term: raw.raft.log.termAt(applied) ?? 0, time: aligned.appliedTime };
    this.#log = log;
    this.#machine = machine;
    this.#identity = identity;
    // Handshakes may take place before the first turn, so set the epoch now.
    identity.follow(raw.raft.log.liveMemberships);
    this.#book = book;
    book.follow(raw.raft.log.liveMemberships);
    this.#clock = clock;
    this.#logger = logger;
    this.#events = events;
    this.#onFailure = onFailure;
    this.#changes = new ChangeEvents(raw.raft, events, logger);
    this.#timer = clock.timer(() => this.#turn());
    this.#turns = new TurnSchedule(clock, () => this.#turn());
    this.situation = new Situation(raw.raft);
    this.reads = new ReadQueue(clock);
    const position = (): AppliedPosition | undefined => (this.applier.isChangingState ? undefined : this.applied);
    this.readStarter = new ReadStarter({
      raft: raw.raft,
      clock,
      queue: this.reads,
      applied: position,
      // A leader that is the only voter confirms a read at once. See `#scheduleNext` for why such
      // a read must not start a turn before other events.
      schedule: () => (raw.raft.log.membership?.voters.length === 1 ? this.schedule() : this.#scheduleNext()),
    });
    this.proposals = new Proposals(raw.raft, () => this.situation.describe(clock.now()));
    this.operations = new Operations(() => this.schedule());
    this.feeds = new Feeds({ log: raw.raft.log, store: log, events });
    this.#hooks = {
      propose: () => {
        this.proposals.proposeQueued();
        this.operations.perform(raw.raft);
      },
    };
    this.transport = new TransportSwitch(transport, logger, (from, message) => this.#receive(from, message));
    const ended = (): boolean => this.#stopped;
    this.applier = new Applier({
      log: raw.raft.log,
      store: log,
      machine,
      clock,
      time: aligned.appliedTime,
      onApplied: (entries, through, results) => this.#onApplied(entries, through, results),
      restore: () => restoreInstalled(raw.raft.log.base, machine, snapshots, snapshotCompression, ended),
      onFailure,
    });
    if (snapshots !== undefined) this.snapshots = this.#openSnapshots(snapshots, options, aligned, random);
  }

  /** Schedules a turn to process waiting inputs, after the events that have already arrived. */
  schedule(): void {
    this.#turns.defer();
  }

  /** Schedules a turn for an event from the disk or the network. */
  #scheduleNext(): void {
    // The turn after a late one checks the timers, so receive all messages that have arrived first.
    if (this.#raw.timersPostponed) this.#turns.defer();
    else this.#turns.runNext();
  }

  /** Runs the first turn. Called once the transport has started. */
  start(): void {
    this.#turns.open();
    this.#raw.raft.setExpiry(this.#machine.nextExpiry);
    this.schedule();
  }

  /** Records whether the disk is too full for another log segment. */
  setFull(full: boolean): void {
    if (this.#stopped) return;
    this.#logger.warn(
      full ? 'the disk is full: this server votes and reads, but writes no entries' : 'the disk has room again',
    );
    this.#raw.setFull(full);
    this.#events.emit('full', { full });
    this.schedule();
  }

  /** Stops the loop, so that no more turns run. */
  stop(): void {
    this.#stopped = true;
    this.#turns.close();
    this.#timer.close();
    this.snapshots?.stop();
  }

  /**
   * Closes every port, even if another port fails to close or takes longer than `timeout`
   * milliseconds. The stores close last, because the state machine may use them. Calls that are
   * waiting for a port reject with `ended`.
   */
  closePorts(timeout: number, ended: KontikiError): Promise<void> {
    const { snapshots } = this;
    return closeParts(this.#clock, timeout, [
      () => ({
        'the state machine': this.applier.close(),
        'a snapshot in progress': snapshots?.finish(),
        'the transport': this.transport.close(ended),
      }),
      () => ({ 'the snapshot store': snapshots?.close(), 'the log': this.#log.close() }),
    ]);
  }

  // ---- Running a turn of the protocol.

  #turn(): void {
    if (this.#stopped) return;
    try {
      // Messages, finished writes and pages are queued in the RawNode. Proposals have a separate
      // queue.
      const now = this.#clock.now();
      const turn = this.#raw.turn(now, this.#hooks, wallOffset(this.#clock, now));
      this.#followMemberships();
      for (const mail of turn.mail) this.#send(mail);
      if (turn.write !== undefined) this.#write(turn.write);
      for (const read of turn.pageReads) this.#readPage(read);
      if (turn.reads !== undefined) this.reads.confirm(turn.reads);
      this.proposals.answered(turn.forwarded);
      for (const event of turn.delegated) this.onDelegated(event);
      for (const event of turn.snapshots) this.snapshots?.handle(event);
      this.applier.applyNext();
      this.#serveReads();
      for (const report of turn.reports) logReport(this.#logger, report);
      this.situation.update();
      this.#changes.emitChanges();
      this.operations.check();
      // A listener may have closed the node.
      if (this.#stopped) return;
      this.#timer.set(turn.wakeAt);
      if (turn.needsAnotherTurn) this.schedule();
    } catch (error) {
      this.#onFailure(error as Error);
    }
  }

  #receive(from: ServerId, message: Received): void {
    if (this.#stopped) return;
    this.situation.onReceived(from);
    this.#raw.receive(from, message);
    this.#scheduleNext();
  }

  #send(mail: Mail): void {
    for (const [to, messages] of mail) this.transport.send(to, messages);
  }

  #write({ number, ballot, reset, entries, committed }: Write): void {
    const [first] = entries;
    if (first?.index === 1 && first.kind === 'membership') this.#identity.genesis = genesisOf(first);
    const written =
      reset === undefined
        ? this.#log.append({ ballot, entries, committed })
        : this.#replaceLog(ballot, reset, { entries, committed });
    written.then(() => {
      if (reset !== undefined) this.snapshots?.onLogReplaced(reset.index);
      this.#raw.written(number);
      this.#scheduleNext();
    }, this.#onFailure);
  }

  /**
   * A reset keeps the ballot in the log store. So once a snapshot has been installed, this method
   * first writes the new ballot and then resets the log. These calls become durable in call order.
   */
  async #replaceLog(ballot: Ballot | undefined, base: Base, rest: LogWrite): Promise<void> {
    const { genesis } = this.#identity;
    await Promise.all([
      ballot === undefined ? undefined : this.#log.append({ ballot }),
      this.#log.reset({ ...base, genesis }),
      this.#log.append(rest),
    ]);
  }

  #readPage(read: PageRead): void {
    const finish = (entries: readonly Entry[] | undefined): void => {
      this.#raw.pageRead(read, entries);
      this.schedule();
    };
    readEntries(this.#log, read.from, read.to, read.maxBytes).then(finish, (error: Error) => {
      if (isKontikiError(error, 'KONTIKI_COMPACTED')) finish(undefined);
      else this.#onFailure(error);
    });
  }

  /**
   * Passes the servers of all live memberships to the transport, and the removed servers that have
   * yet to receive the entry that removes them.
   */
  #followMemberships(): void {
    const { log, id: own, leaving } = this.#raw.raft;
    const live = log.liveMemberships;
    if (live === this.#memberships && leaving === this.#leaving && this.#book.version === this.#bookVersion) return;
    this.#memberships = live;
    this.#leaving = leaving;
    this.#identity.follow(live);
    this.#book.follow(live);
    this.#bookVersion = this.#book.version;
    const peers = new Map<ServerId, string>();
    for (const [id, { info }] of leaving) peers.set(id, info.address);
    for (const { membership } of live) {
      for (const [id, { address }] of membership.servers) {
        if (id !== own) peers.set(id, this.#book.addressOf(id) ?? address);
      }
    }
    this.transport.setPeers(peers);
    const announced = this.#book.changes(
      (addresses) => this.transport.checkAddresses(addresses),
      (peer, error) => this.#logger.warn('an announced address is not written to the membership', { peer, error }),
    );
    this.#raw.raft.setAnnounced(announced);
  }

  // ---- Applying entries and serving reads.

  #onApplied(entries: readonly Entry[], through: AppliedPosition, results: readonly Result[]): void {
    const { index } = through;
    this.#raw.applied(index);
    this.#raw.raft.setExpiry(this.#machine.nextExpiry);
    let next = 0;
    for (const entry of entries) {
      this.proposals.settle(entry, entry.kind === 'command' ? results[next++] : undefined);
    }
    this.applied = through;
    if (this.reads.serve(this.applied)) this.schedule();
    this.feeds.onApplied(entries, results);
    this.#events.emit('apply', { index });
    this.snapshots?.onApplied(entries);
  }

  /**
   * Called when a snapshot has replaced the log. The state machine must restore that snapshot next.
   */
  #onInstalled(): void {
    this.proposals.passSnapshot(this.#raw.raft.log.base);
    this.applier.requireRestore();
  }

  #serveReads(): void {
    // While a batch is being applied, the state is inconsistent. The waiting reads are served once
    // it has been applied.
    if (!this.applier.isChangingState && this.reads.serve(this.applied)) this.schedule();
  }

  #openSnapshots(
    store: SnapshotStore,
    { machine, snapshotPolicy, snapshotCompression: compression, timeout = DEFAULT_TIMEOUT }: NodeOptions<Result>,
    aligned: AlignedStores,
    random: () => number,
  ): Snapshots {
    const { raft } = this.#raw;
    const parts = { store, clock: this.#clock, identity: this.#identity };
    return new Snapshots({
      ...parts,
      raft,
      log: this.#log,
      taker: new SnapshotTaker({
        ...parts,
        log: raft.log,
        machine,
        compression,
        applier: this.applier,
        random,
        timeout,
      }),
      policy: { ...defaultSnapshotPolicy, ...snapshotPolicy },
      logger: this.#logger,
      events: this.#events,
      newest: aligned.snapshot,
      damaged: aligned.damaged,
      version: machine.version ?? 0,
      compression: compression?.kind,
      schedule: () => this.schedule(),
      onInstalled: () => this.#onInstalled(),
      onFailure: this.#onFailure,
    });
  }
}
