import { KontikiError } from '../errors.js';
import { commandBytes, type Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { Clock } from '../ports/clock.js';
import type { LogStore } from '../ports/log-store.js';
import { silentLogger, type Logger } from '../ports/logger.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { Output } from '../protocol/output.js';
import { Raft, type ProposalRefusal } from '../protocol/raft.js';
import { defaultLimits, defaultTimings, type Timings } from '../protocol/settings.js';
import { Applier } from './applier.js';
import { Calls, type CallOptions } from './calls.js';
import { TransportSwitch } from './transport-switch.js';
import { Driver } from './driver.js';
import { Emitter } from './emitter.js';
import { alignStores, type AlignedStores } from './start/align-stores.js';
import { badOption, checkOptions, checkTimings, type NodeOptions } from './options.js';
import { Proposals, type Applied } from './proposals.js';
import { ReadQueue, serveRead } from './read-queue.js';
import { notLeader, refusal } from './refusals.js';
import { logReport } from './reports.js';
import { restore } from './restore.js';
import { defaultSnapshotPolicy } from './snapshot-policy.js';
import { SnapshotTaker } from './snapshot-taker.js';
import { Snapshots } from './snapshots.js';
import { leaderOf, statusOf } from './status-of.js';
import type { Leader, NodeEvents, Status } from './status.js';
import { SystemClock } from './system-clock.js';
import { ChangeEvents } from './watch.js';

export interface ReadOptions extends CallOptions {
  /**
   * `linearizable` (default): sees everything acknowledged anywhere before the read began, confirmed by a quorum.
   * `local`: the state here, as old as it may be.
   */
  readonly consistency?: 'linearizable' | 'local' | undefined;
}

/** A server of the cluster: answers callers, and lets a `Driver` do the rest with the ports. */
export class RaftNode<Result = unknown> implements AsyncDisposable {
  readonly id: ServerId;
  readonly #cluster: string;
  readonly #raft: Raft;
  readonly #log: LogStore;
  readonly #snapshots: Snapshots | undefined;
  readonly #carrier: TransportSwitch;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls: Calls;
  readonly #events: Emitter<NodeEvents>;
  readonly #watch: ChangeEvents;
  readonly #driver: Driver;
  readonly #applier: Applier<Result>;
  readonly #proposals = new Proposals<Result>();
  readonly #reads = new ReadQueue();
  readonly #timeout: number;
  readonly #maxCommandBytes: number;
  #ended: 'failed' | 'closed' | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens the log, the snapshots, the state machine and the transport, in this order, and takes part in the cluster.
   * Rejects, with everything closed again, when one of them cannot be opened or doesn't fit the others.
   */
  static async open<Result>(options: NodeOptions<Result>): Promise<RaftNode<Result>> {
    checkOptions(options);
    const owner = { cluster: options.cluster, server: options.id };
    let node: RaftNode<Result> | undefined;
    try {
      const { log, snapshots, machine, snapshotCompression: compression, logger = silentLogger } = options;
      const joined = await alignStores({ log, snapshots, machine, compression, logger }, owner);
      node = new RaftNode(options, joined);
      await node.#start(joined);
      return node;
    } catch (error) {
      if (node !== undefined) node.#end('failed', error as Error);
      for (const port of [options.transport, options.snapshots, options.log]) {
        await port?.close().catch(() => {
          // Why the node did not start says more.
        });
      }
      throw error;
    }
  }

  private constructor(options: NodeOptions<Result>, { state, applied, snapshot }: AlignedStores) {
    const { id, cluster, log, machine, transport, snapshots } = options;
    const random = options.random ?? Math.random;
    this.id = id;
    this.#cluster = cluster;
    this.#log = log;
    this.#clock = options.clock ?? new SystemClock();
    this.#logger = options.logger ?? silentLogger;
    this.#timeout = options.timeout ?? 10_000;
    this.#maxCommandBytes = options.maxCommandBytes ?? 1024 * 1024;
    this.#raft = new Raft({
      id,
      incarnation: 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1)),
      timings: { ...defaultTimings, ...options.timings },
      limits: { ...defaultLimits, ...options.limits },
      random,
      now: this.#clock.now(),
      log: state,
      applied,
    });
    this.#events = new Emitter(this.#logger);
    this.#watch = new ChangeEvents(this.#raft, this.#events, this.#logger);
    this.#calls = new Calls(this.#clock);
    this.#carrier = new TransportSwitch(transport, this.#logger, (from, message) =>
      this.#driver.receive(from, message),
    );
    this.#driver = new Driver({
      raft: this.#raft,
      log,
      carrier: this.#carrier,
      clock: this.#clock,
      genesis: state.genesis,
      owner: {
        takeInputs: () => this.#proposals.proposeQueued(this.#raft, (why) => this.#refusal(why)),
        turned: (output) => this.#turned(output),
        failed: (error) => this.#fail(error),
      },
    });
    this.#applier = new Applier({
      log: this.#raft.log,
      store: log,
      machine,
      clock: this.#clock,
      onApplied: (entries, through, results) => this.#applied(entries, through, results),
      restore: () => this.#restore(options),
      onFailure: (error) => this.#fail(error),
    });
    if (snapshots !== undefined) this.#snapshots = this.#begin(snapshots, options, random, snapshot);
  }

  #begin(
    store: SnapshotStore,
    { cluster, machine, snapshotPolicy, snapshotCompression: compression }: NodeOptions<Result>,
    random: () => number,
    newest: SnapshotInfo | undefined,
  ): Snapshots {
    const driver = this.#driver;
    const parts = { cluster, store, clock: this.#clock, genesis: (): number | undefined => driver.genesis };
    return new Snapshots({
      ...parts,
      raft: this.#raft,
      log: this.#log,
      taker: new SnapshotTaker({ ...parts, log: this.#raft.log, machine, compression, applier: this.#applier, random }),
      policy: { ...defaultSnapshotPolicy, ...snapshotPolicy },
      logger: this.#logger,
      events: this.#events,
      newest,
      schedule: () => driver.schedule(),
      learnGenesis: (genesis) => driver.learnGenesis(genesis),
      onInstalled: (index) => this.#proposals.failSuperseded(index),
      onFailure: (error) => this.#fail(error),
    });
  }

  // ---- what users call

  /**
   * Proposes a command, which must not change until this settles. Resolves with what the state machine returned, once
   * the command is committed (durable on a majority) and applied here. Rejects with `KONTIKI_UNKNOWN_OUTCOME` when it
   * may still be applied; with any other code it surely never will be: `KONTIKI_NOT_LEADER` (a `NotLeaderError` that
   * names the leader), `KONTIKI_OVERLOADED`, `KONTIKI_TOO_LARGE`, `KONTIKI_DISK_FULL`, `KONTIKI_REPLACED`,
   * `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED`, `KONTIKI_CLOSED`.
   */
  propose(data: Uint8Array, options: CallOptions = {}): Promise<Applied<Result>> {
    try {
      this.#admit(data, options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const call = this.#calls.open<Applied<Result>>(options.timeout ?? this.#timeout, options.signal);
    this.#proposals.queue(data, call);
    this.#driver.schedule();
    return call.promise;
  }

  /**
   * Runs `read` between two applies and resolves with what it returns. Linearizable by default, on any server: it waits
   * for a leader to confirm, with a quorum, how far the log was committed, and for that to be applied here. Rejects
   * with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED`, `KONTIKI_CLOSED`, `KONTIKI_OVERLOADED` when 65,536 reads wait already, or
   * what `read` throws.
   */
  read<T>(read: () => T, options: ReadOptions = {}): Promise<T> {
    const local = options.consistency === 'local';
    const atOnce = local && !this.#applier.busy;
    const refused = this.#refuseEnded(options) ?? (atOnce ? undefined : this.#reads.refuse());
    if (refused !== undefined) return Promise.reject(refused);
    const call = this.#calls.open<T>(options.timeout ?? this.#timeout, options.signal);
    if (!local) {
      this.#reads.add(this.#raft.read(), call, read);
      this.#driver.schedule();
    } else if (!atOnce) {
      // In the middle of an asynchronous apply the state is between two indices: its end serves this.
      this.#reads.addLocal(call, read);
    } else {
      serveRead(call, read);
    }
    return call.promise;
  }

  /**
   * Takes a snapshot of everything applied by now, or later, and compacts the log behind it. Resolves when it is durable.
   * Rejects with `KONTIKI_UNSUPPORTED` without a store of snapshots, with `KONTIKI_NO_SNAPSHOT` when nothing is applied yet,
   * with `KONTIKI_DISK_FULL` and nothing lost, with `KONTIKI_CLOSED`.
   */
  snapshot(): Promise<SnapshotInfo> {
    const ended = this.#refuseEnded({});
    if (ended !== undefined) return Promise.reject(ended);
    if (this.#snapshots !== undefined) return this.#snapshots.take();
    return Promise.reject(
      new KontikiError('KONTIKI_UNSUPPORTED', 'This node was opened without a store of snapshots.'),
    );
  }

  /** Who leads, as far as known here. */
  get leader(): Leader | undefined {
    const { leader, log } = this.#raft;
    return leader === undefined ? undefined : leaderOf(leader, log.membership);
  }

  get isLeader(): boolean {
    return this.#raft.role === 'leader' && this.#ended === undefined;
  }

  /** The node as it is now. */
  status(): Status {
    return statusOf(this.#raft, this.#cluster, this.#clock.now(), this.#ended);
  }

  /** Listens; the function returned stops it. Listeners are called after the step that caused the event. */
  on<Name extends keyof NodeEvents>(name: Name, listener: (event: NodeEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Takes effect at once. The timings should be the same on every server. */
  setTimings(timings: Partial<Timings>): void {
    this.#raft.setTimings(checkTimings({ ...this.#raft.timings, ...timings }));
    this.#driver.schedule();
  }

  /**
   * Goes on with another transport, which must not have been started; what is on the way is lost, which Raft bears. The
   * new one is started first and the one before is closed then, with which this resolves. Where the new one does not
   * start, this rejects with its error, and the one before stays in service. Two that listen on the same port cannot run
   * at once: close the one before yourself; the node is cut off until this resolves. Calls take their turns, the last
   * one stays. Once the node has ended it rejects with `KONTIKI_CLOSED`. A transport that comes not into service, or
   * out of it, is closed.
   */
  setTransport(transport: Transport): Promise<void> {
    return this.#carrier.replace(transport);
  }

  /**
   * Leaves the cluster's conversation and lets go of the ports; what is durable stays. Calls that wait are refused, or
   * of unknown outcome if they were appended. Idempotent.
   */
  close(): Promise<void> {
    this.#end('closed', new KontikiError('KONTIKI_CLOSED', `Node ${this.id} was closed.`));
    this.#closing ??= this.#release();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- start and end

  async #start({ state }: AlignedStores): Promise<void> {
    for (const repair of state.repairs) this.#logger.warn('cut the torn end of the log', { ...repair });
    if (this.#raft.log.blank) {
      this.#logger.info('this server is blank: it waits for a leader, and neither campaigns nor votes');
    }
    this.#log.onFull((full) => this.#setFull(full));
    const driver = this.#driver;
    const identity: Identity = {
      cluster: this.#cluster,
      server: this.id,
      incarnation: this.#raft.header.incarnation,
      get genesis() {
        return driver.genesis;
      },
    };
    await this.#carrier.start(identity);
    driver.schedule();
  }

  #end(how: 'failed' | 'closed', cause: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#driver.stop();
    this.#snapshots?.stop();
    const text = `Node ${this.id} has ended; the command was not appended.`;
    this.#proposals.abandon(new KontikiError('KONTIKI_CLOSED', text, { cause }));
    this.#reads.abandon(new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended.`, { cause }));
    this.#calls.close();
  }

  async #release(): Promise<void> {
    try {
      await this.#applier.close();
      await this.#snapshots?.close();
    } finally {
      // Whatever has become of the others: who cannot let go of one port keeps no lock on the next.
      try {
        await this.#carrier.close();
      } finally {
        await this.#log.close();
      }
    }
  }

  /** Stops for good, with the data kept: going on would be guessing. */
  #fail(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#logger.error('the server has stopped', { error });
    this.#end('failed', error);
    this.#closing ??= this.#release().catch((failure: unknown) => {
      this.#logger.error('closing after the failure failed', { error: failure });
    });
    this.#events.emit('fatal', { error });
  }

  // ---- what may be asked

  #refuseEnded({ signal, timeout }: CallOptions): KontikiError | undefined {
    if (this.#ended !== undefined) return new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended.`);
    if (timeout !== undefined && !(timeout > 0))
      return badOption(`timeout must be above 0 milliseconds, not ${timeout}.`);
    if (signal?.aborted !== true) return undefined;
    return new KontikiError('KONTIKI_ABORTED', 'The caller gave the call up.', { cause: signal.reason });
  }

  #admit(data: Uint8Array, options: CallOptions): void {
    const ended = this.#refuseEnded(options);
    if (ended !== undefined) throw ended;
    if (!(data instanceof Uint8Array)) throw badOption('A command must be a Uint8Array.');
    if (data.length > this.#maxCommandBytes) {
      const text = `The command has ${data.length} bytes; this node takes ${this.#maxCommandBytes} at the most.`;
      throw new KontikiError('KONTIKI_TOO_LARGE', text);
    }
    if (this.#raft.role !== 'leader') throw this.#refusal('notLeader');
    const waiting = this.#raft.uncommittedBytes + this.#proposals.queuedBytes;
    if (waiting > 0 && waiting + commandBytes(data.length) > this.#raft.limits.uncommittedBytes)
      throw this.#refusal('overloaded');
  }

  #refusal(why: ProposalRefusal): KontikiError {
    return why === 'notLeader' ? notLeader(this.id, this.leader) : refusal(why);
  }

  // ---- what happens

  #turned({ reads, reports, snapshots }: Output): void {
    if (reads !== undefined) this.#reads.confirm(reads);
    for (const report of reports) logReport(this.#logger, report);
    for (const event of snapshots) this.#snapshots?.handle(event);
    this.#applier.applyNext();
    this.#reads.serve(this.#applier.busy ? -1 : this.#raft.log.applied);
    this.#watch.emitChanges();
  }

  #applied(entries: readonly Entry[], through: number, results: readonly Result[]): void {
    this.#raft.applied(through);
    let next = 0;
    for (const entry of entries) this.#proposals.settle(entry, entry.kind === 'command' ? results[next++] : undefined);
    this.#reads.serve(through);
    this.#events.emit('apply', { index: through });
    this.#snapshots?.onApplied(entries);
  }

  /** Brings the machine to where the log begins, and no further: a newer snapshot may be whole, and not installed. */
  async #restore({ snapshots: store, machine, snapshotCompression }: NodeOptions<Result>): Promise<void> {
    const { base } = this.#raft.log;
    const held = (await store?.list()) ?? [];
    const installed = held.find(({ last }) => last.index === base.index && last.term === base.term);
    if (store === undefined || installed === undefined)
      throw new KontikiError('KONTIKI_LOST_DATA', `The snapshot of entry ${base.index} was installed, and is gone.`);
    await restore(machine, store, installed, snapshotCompression, () => this.#ended !== undefined);
  }

  #setFull(full: boolean): void {
    if (this.#ended !== undefined) return;
    this.#logger.warn(
      full ? 'the disk is full: this server votes and reads, and writes no entries' : 'the disk has room again',
    );
    this.#raft.setFull(full);
    this.#events.emit('full', { full });
    this.#driver.schedule();
  }
}
