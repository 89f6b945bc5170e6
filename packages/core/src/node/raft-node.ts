import { KontikiError } from '../errors.js';
import { commandBytes } from '../log/entry.js';
import type { Leader, ServerId } from '../log/server.js';
import type { Clock } from '../ports/clock.js';
import { silentLogger, type Logger } from '../ports/logger.js';
import type { SnapshotInfo } from '../ports/snapshot-store.js';
import type { Transport } from '../ports/transport.js';
import { RawNode } from '../protocol/raw-node.js';
import { defaultLimits, defaultTimings, type Timings } from '../protocol/settings.js';
import { Calls, type CallOptions } from './calls/calls.js';
import { CommandCopies } from './calls/command-copies.js';
import type { Applied } from './calls/proposals.js';
import { serveRead } from './calls/read-queue.js';
import { refusalError } from './calls/refusals.js';
import { Emitter } from './events/emitter.js';
import type { NodeEvents } from './events/events.js';
import { NodeIdentity } from './identity.js';
import { Loop } from './loop.js';
import { badOption, checkOptions, checkTimings, type NodeOptions } from './options.js';
import { alignStores, type AlignedStores } from './start/align-stores.js';
import { leaderOf, statusOf, type Status } from './status.js';
import { SystemClock } from './system-clock.js';

export interface ReadOptions extends CallOptions {
  /**
   * The consistency of the read. `linearizable` (default): a quorum confirms the read, so it sees
   * every command acknowledged on any server before the read started. `local`: the read sees this
   * server's state, which may be out of date.
   */
  readonly consistency?: 'linearizable' | 'local' | undefined;
}

/** One server of a cluster. */
export class RaftNode<Result = unknown> implements AsyncDisposable {
  readonly id: ServerId;
  readonly #raw: RawNode;
  readonly #loop: Loop<Result>;
  readonly #identity: NodeIdentity;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls: Calls;
  readonly #copies = new CommandCopies();
  readonly #events: Emitter<NodeEvents>;
  readonly #timeout: number;
  readonly #maxCommandBytes: number;
  #ended: 'failed' | 'closed' | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens the log, the snapshots, the state machine and the transport, in this order, and starts
   * the node. If a port cannot be opened, or their data is inconsistent, closes the ports that this
   * call has opened and rejects.
   */
  static async open<Result>(options: NodeOptions<Result>): Promise<RaftNode<Result>> {
    checkOptions(options);
    const owner = { cluster: options.cluster, server: options.id };
    let node: RaftNode<Result> | undefined;
    // The ports that this call has opened. The others may be in use by another node.
    const opened: { close(): Promise<void> }[] = [];
    try {
      const aligned = await alignStores(options, owner, (store) => opened.push(store));
      node = new RaftNode(options, aligned);
      await node.#start(options, aligned);
      return node;
    } catch (error) {
      if (node !== undefined) node.#end('failed', error as Error);
      for (const port of opened.reverse()) {
        await port.close().catch(() => {
          // The first error explains why the node did not start, so it is more useful.
        });
      }
      throw error;
    }
  }

  private constructor(options: NodeOptions<Result>, aligned: AlignedStores) {
    const { id, cluster, clock = new SystemClock(), logger = silentLogger, random = Math.random } = options;
    const incarnation = 1 + Math.floor(random() * (Number.MAX_SAFE_INTEGER - 1));
    this.id = id;
    this.#clock = clock;
    this.#logger = logger;
    this.#timeout = options.timeout ?? 10_000;
    this.#maxCommandBytes = options.maxCommandBytes ?? 1024 * 1024;
    this.#identity = new NodeIdentity(cluster, id, incarnation, aligned.state.genesis);
    this.#events = new Emitter(logger);
    this.#calls = new Calls(clock);
    this.#raw = new RawNode({
      id,
      incarnation,
      timings: { ...defaultTimings, ...options.timings },
      limits: { ...defaultLimits, ...options.limits },
      random,
      now: clock.now(),
      log: aligned.state,
      applied: aligned.applied,
    });
    this.#loop = new Loop({
      options,
      raw: this.#raw,
      identity: this.#identity,
      aligned,
      clock,
      random,
      logger,
      events: this.#events,
      onFailure: (error) => this.#fail(error),
    });
  }

  // ---- calls

  /**
   * Proposes a command. Resolves with the state machine's result once the command is committed
   * (durable on a majority) and applied on this server. `data` is copied, so its memory may be reused
   * as soon as this method returns.
   *
   * Rejects with `KONTIKI_UNKNOWN_OUTCOME` if the command may have been applied or may still be
   * applied. After any other error the command will never be applied: `KONTIKI_NOT_LEADER` (a
   * `NotLeaderError` with the leader), `KONTIKI_OVERLOADED`, `KONTIKI_TOO_LARGE`,
   * `KONTIKI_DISK_FULL`, `KONTIKI_REPLACED`, `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED`,
   * `KONTIKI_CLOSED`.
   */
  propose(data: Uint8Array, options: CallOptions = {}): Promise<Applied<Result>> {
    const refused = this.#refuseProposal(data, options);
    if (refused !== undefined) return Promise.reject(refused);
    let command: Uint8Array;
    try {
      command = this.#copies.copy(data);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const call = this.#calls.open<Applied<Result>>(options.timeout ?? this.#timeout, options.signal);
    this.#loop.proposals.queue(command, call);
    this.#loop.schedule();
    return call.promise;
  }

  /**
   * Runs `read` between two applied batches, and resolves with its return value. Reads are
   * linearizable by default, on any server. The read waits until a leader has confirmed the commit
   * index with a quorum, and until this server has applied entries up to that index.
   *
   * Rejects with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED` or `KONTIKI_CLOSED`, with
   * `KONTIKI_OVERLOADED` if 65,536 reads are already waiting, or with the error that `read` throws.
   */
  read<T>(read: () => T, options: ReadOptions = {}): Promise<T> {
    const { reads, applier } = this.#loop;
    const local = options.consistency === 'local';
    const immediate = local && !applier.isChangingState;
    const refused = this.#refuseCall(options) ?? (immediate ? undefined : reads.refuse());
    if (refused !== undefined) return Promise.reject(refused);
    const call = this.#calls.open<T>(options.timeout ?? this.#timeout, options.signal);
    if (!local) {
      reads.add(this.#raw.read(), call, read);
      this.#loop.schedule();
    } else if (!immediate) {
      // An asynchronous apply is in progress, so the state is inconsistent. Run the read when the
      // apply finishes.
      reads.addLocal(call, read);
    } else {
      serveRead(call, read);
    }
    return call.promise;
  }

  /**
   * Takes a snapshot that covers at least all entries applied so far, and compacts the log.
   * Resolves when the snapshot is durable. Rejects with `KONTIKI_UNSUPPORTED` if there is no
   * snapshot store, `KONTIKI_NO_SNAPSHOT` if nothing is applied yet, `KONTIKI_DISK_FULL` if there
   * is no room, and `KONTIKI_CLOSED`. No error loses data.
   */
  snapshot(): Promise<SnapshotInfo> {
    const refused = this.#refuseCall({});
    if (refused !== undefined) return Promise.reject(refused);
    const { snapshots } = this.#loop;
    if (snapshots !== undefined) return snapshots.take();
    return Promise.reject(new KontikiError('KONTIKI_UNSUPPORTED', 'This node was opened without a snapshot store.'));
  }

  /** The current leader, if this server knows one. */
  get leader(): Leader | undefined {
    return leaderOf(this.#raw.raft);
  }

  get isLeader(): boolean {
    return this.#raw.raft.role === 'leader' && this.#ended === undefined;
  }

  status(): Status {
    return statusOf(this.#raw.raft, this.#identity.cluster, this.#clock.now(), this.#ended);
  }

  /**
   * Adds a listener and returns a function that removes it. Listeners run after the turn that
   * caused the event.
   */
  on<Name extends keyof NodeEvents>(name: Name, listener: (event: NodeEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Changes the timings immediately. They should be the same on every server. Throws
   * `KONTIKI_BAD_OPTION` if they are invalid.
   */
  setTimings(timings: Partial<Timings>): void {
    this.#raw.setTimings(checkTimings({ ...this.#raw.raft.timings, ...timings }));
    this.#loop.schedule();
  }

  /**
   * Switches to another transport, which must not have been started. Starts the new transport, then
   * closes the old transport and resolves. Messages in flight are dropped; Raft sends them again.
   * If the new transport fails to start, rejects with its error and keeps the old transport.
   *
   * Two transports cannot listen on the same port at the same time. In that case close the old
   * transport first; the node is disconnected until this method resolves. Calls take effect in
   * order. Rejects with `KONTIKI_CLOSED` if the node has closed or failed. Closes the new transport
   * if it is not used.
   */
  setTransport(transport: Transport): Promise<void> {
    return this.#loop.transport.replace(transport);
  }

  /**
   * Stops the node and closes its ports. Durable data is kept. Appended proposals reject with
   * `KONTIKI_UNKNOWN_OUTCOME`, and all other waiting calls with `KONTIKI_CLOSED`. Idempotent.
   */
  close(): Promise<void> {
    this.#end('closed', new KontikiError('KONTIKI_CLOSED', `Node ${this.id} was closed.`));
    this.#closing ??= this.#loop.closePorts();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- start and end

  async #start({ log }: NodeOptions<Result>, { state }: AlignedStores): Promise<void> {
    for (const repair of state.repairs) this.#logger.warn('truncated the torn end of the log', { ...repair });
    if (this.#raw.raft.log.blank) {
      this.#logger.info('this server is blank: it waits for a leader, and neither campaigns nor votes');
    }
    log.onFull((full) => this.#setFull(full));
    await this.#loop.transport.start(this.#identity);
    this.#loop.start();
  }

  #setFull(full: boolean): void {
    if (this.#ended !== undefined) return;
    this.#logger.warn(
      full ? 'the disk is full: this server votes and reads, but writes no entries' : 'the disk has room again',
    );
    this.#raw.setFull(full);
    this.#events.emit('full', { full });
    this.#loop.schedule();
  }

  #end(how: 'failed' | 'closed', cause: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#loop.stop();
    const text = `Node ${this.id} has ended; the command was not appended.`;
    this.#loop.proposals.abandon(new KontikiError('KONTIKI_CLOSED', text, { cause }));
    this.#loop.reads.abandon(new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended.`, { cause }));
    this.#calls.close();
  }

  /**
   * Stops the node permanently and keeps its data. After a failure its state is uncertain, so it
   * must not continue.
   */
  #fail(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#logger.error('the server has stopped', { error });
    this.#end('failed', error);
    this.#closing ??= this.#loop.closePorts().catch((failure: unknown) => {
      this.#logger.error('closing the ports after the failure failed', { error: failure });
    });
    this.#events.emit('fatal', { error });
  }

  // ---- checks

  #refuseCall({ signal, timeout }: CallOptions): KontikiError | undefined {
    if (this.#ended !== undefined) return new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended.`);
    if (timeout !== undefined && !(timeout > 0))
      return badOption(`timeout must be above 0 milliseconds, not ${timeout}.`);
    if (signal?.aborted !== true) return undefined;
    return new KontikiError('KONTIKI_ABORTED', 'The caller aborted the call.', { cause: signal.reason });
  }

  #refuseProposal(data: Uint8Array, options: CallOptions): KontikiError | undefined {
    const refused = this.#refuseCall(options);
    if (refused !== undefined) return refused;
    if (!(data instanceof Uint8Array)) return badOption('A command must be a Uint8Array.');
    if (data.length > this.#maxCommandBytes) {
      const text = `The command has ${data.length} bytes, but this node accepts at most ${this.#maxCommandBytes}.`;
      return new KontikiError('KONTIKI_TOO_LARGE', text);
    }
    const { raft } = this.#raw;
    if (raft.role !== 'leader') return refusalError(raft, 'notLeader');
    const waiting = raft.uncommittedBytes + this.#loop.proposals.queuedBytes;
    if (waiting > 0 && waiting + commandBytes(data.length) > raft.limits.uncommittedBytes)
      return refusalError(raft, 'overloaded');
    return undefined;
  }
}
