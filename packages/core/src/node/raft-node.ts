/// <reference lib="esnext.disposable" preserve="true" />
import { KontikiError } from '../errors.js';
import type { Leader, ServerId } from '../log/server.js';
import type { Clock } from '../ports/clock.js';
import { silentLogger, type Logger } from '../ports/logger.js';
import type { SnapshotInfo } from '../ports/snapshot-store.js';
import type { Transport } from '../ports/transport.js';
import { RawNode } from '../protocol/raw-node.js';
import { defaultLimits, defaultTimings, type Timings } from '../protocol/settings.js';
import { BytePool } from '../wire/byte-pool.js';
import { checkedMachine } from './apply/checked-machine.js';
import { AddressBook } from './address-book.js';
import { Call, Calls, type CallOptions } from './calls/calls.js';
import { limited, limitedAlone, refuseOptions } from './calls/limited.js';
import { checkProposal, proposeOptions, type Applied, type ProposeOptions } from './calls/proposal.js';
import { whileLeader, whileLeaderOptions, type NodeParts, type WhileLeaderOptions } from './calls/leadership.js';
import { readOptions, refuseRead, type Read, type ReadOptions } from './calls/read-queue.js';
import { Emitter, type ListenerOptions } from './events/emitter.js';
import { eventNames, type NodeEvents } from './events/events.js';
import type { Committed, FeedOptions } from './events/feed.js';
import { watch, type Watchable } from './events/watch.js';
import { Members } from './members/members.js';
import { Ending } from './ending.js';
import { closeOptions, type CloseOptions } from './hand-over.js';
import { NodeIdentity } from './identity.js';
import { Loop } from './loop.js';
import { badOption, checkOptions, checkTimings, DEFAULT_TIMEOUT, type NodeOptions } from './options.js';
import type { AlignedStores } from './start/align-stores.js';
import { drawNumber } from './start/count-start.js';
import { checkAddresses } from './start/check-addresses.js';
import { openPorts } from './start/open-ports.js';
import { reportStart } from './start/report-start.js';
import { leaderOf, statusOf, type Status } from './status.js';
import { SystemClock } from './system-clock.js';
import { wallOffset } from './wall-offset.js';

/** One server of a cluster. */
export class RaftNode<Result = unknown> implements AsyncDisposable {
  readonly id: ServerId;
  /** Methods that change the membership and transfer the leadership. */
  readonly members: Members;
  readonly #raw: RawNode;
  readonly #loop: Loop<Result>;
  readonly #identity: NodeIdentity;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #calls: Calls;
  /**
   * Memory for copies of proposed commands. Callers may reuse their own memory after `propose`.
   */
  readonly #pool = new BytePool();
  readonly #events: Emitter<NodeEvents>;
  readonly #timeout: number;
  readonly #maxCommandBytes: number;
  readonly #ending: Ending<Result>;

  /**
   * Opens the log, the snapshots, the state machine and the transport, in this order, and starts
   * the node. If a port cannot be opened or the data is inconsistent, closes the ports that this
   * call has opened and rejects. Has no deadline unless `limits` sets one. A call that times out or
   * is aborted rejects immediately, and closes the ports in the background.
   */
  static async open<Result>(options: NodeOptions<Result>, limits: CallOptions = {}): Promise<RaftNode<Result>> {
    checkOptions(options);
    const checked = { ...options, machine: checkedMachine(options.machine) };
    return limitedAlone(limits, (signal) =>
      openPorts(checked, signal, async (aligned) => {
        const node = new RaftNode(checked, aligned);
        await node.#start(checked, aligned, signal).catch((error: Error) => {
          node.#ending.end('failed', error);
          throw error;
        });
        return node;
      }),
    );
  }

  private constructor(options: NodeOptions<Result>, aligned: AlignedStores) {
    const { id, cluster, clock = new SystemClock(), logger = silentLogger, random = Math.random } = options;
    const incarnation = drawNumber(random);
    this.id = id;
    this.#clock = clock;
    this.#logger = logger;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    this.#maxCommandBytes = options.maxCommandBytes ?? 1024 * 1024;
    const book = new AddressBook(id, options.address, aligned.life?.starts ?? 1, () => this.#loop.schedule());
    this.#identity = new NodeIdentity(cluster, id, incarnation, aligned.state.genesis, book);
    this.#events = new Emitter(logger, eventNames);
    this.#calls = new Calls(clock, () => this.#loop.situation.describe(clock.now()));
    const now = clock.now();
    this.#raw = new RawNode({
      id,
      incarnation,
      timings: { ...defaultTimings, ...options.timings },
      limits: { ...defaultLimits, ...options.limits },
      random,
      now,
      wallOffset: wallOffset(clock, now),
      log: { ...aligned.state, time: aligned.lastTime },
      life: aligned.life,
      applied: aligned.applied,
      behavior: options.machine.behavior,
    });
    this.#loop = new Loop({
      options,
      raw: this.#raw,
      identity: this.#identity,
      book,
      aligned,
      clock,
      random,
      logger,
      events: this.#events,
      onFailure: (error) => this.#ending.fail(error),
    });
    const { raft } = this.#raw;
    this.#ending = new Ending({
      id,
      raft,
      loop: this.#loop,
      calls: this.#calls,
      events: this.#events,
      logger,
    });
    this.members = new Members(
      raft,
      this.#loop,
      (call, run, known, patience = this.#timeout) => {
        const refused = this.#refuseCall(call, known);
        if (refused !== undefined) return Promise.reject(refused);
        const timeout = call.timeout ?? patience;
        return limited(this.#calls, timeout === Infinity ? call : { ...call, timeout }, run, known);
      },
      this.#timeout,
    );
  }

  // ---- Methods that the application calls.

  /**
   * Proposes a command. Any server accepts proposals. Resolves with the state machine's result
   * after the command is committed (durable on a majority) and applied on this server. `data` is
   * copied, so its memory may be reused as soon as this method returns.
   *
   * A server that is not the leader waits for a leader and forwards the command to it. The server
   * sends the command again only if the command was refused, so the command is applied at most
   * once. With `forward: false`, rejects instead with a `NotLeaderError`, which has the code
   * `KONTIKI_NOT_LEADER` and names the leader.
   *
   * Rejects with `KONTIKI_UNKNOWN_OUTCOME` if the command may have been applied or may still be
   * applied. After any other error, the command will never be applied: `KONTIKI_NOT_LEADER`,
   * `KONTIKI_TRANSFERRING`, `KONTIKI_OVERLOADED`, `KONTIKI_TOO_LARGE`, `KONTIKI_DISK_FULL`,
   * `KONTIKI_REPLACED`, `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED`, `KONTIKI_CLOSED`.
   */
  propose(data: Uint8Array, options: ProposeOptions = {}): Promise<Applied<Result>> {
    const refused = this.#refuseProposal(data, options);
    if (refused !== undefined) return Promise.reject(refused);
    let command: Uint8Array;
    try {
      command = this.#pool.copy(data);
    } catch {
      const text = 'The memory of this command was transferred. Propose a command before you transfer it.';
      return Promise.reject(badOption(text));
    }
    const call = this.#calls.open<Applied<Result>>(options.timeout ?? this.#timeout, options.signal);
    this.#loop.proposals.queue(command, options.forward ?? true, call);
    this.#loop.schedule();
    return call.promise;
  }

  /**
   * Runs the callback `read` between two applied batches, and resolves with its return value. The
   * callback receives the position of the last applied entry. Reads are linearizable by default, on
   * any server: a quorum confirms the commit index, and this server first applies the entries up to
   * that index. A lease read on a leader needs no quorum while the leader holds a lease. If the lease
   * ends while `read` runs, its result is discarded, and `read` runs again as a linearizable read.
   *
   * Rejects with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED` or `KONTIKI_CLOSED`, with
   * `KONTIKI_OVERLOADED` if 65,536 reads are already waiting, or with the error that `read` throws.
   */
  read<T>(read: Read<T>, options: ReadOptions = {}): Promise<T> {
    return this.#read(read, options, options?.timeout ?? this.#timeout);
  }

  #read<T>(read: Read<T>, options: ReadOptions, timeout: number): Promise<T> {
    const refused = this.#refuseCall(options, readOptions) ?? refuseRead(read, options);
    if (refused !== undefined) return Promise.reject(refused);
    const open = (): Call<T> => this.#calls.open(timeout, options.signal);
    const started = this.#loop.readStarter.start(open, read, options);
    return started instanceof Call ? started.promise : Promise.reject(started);
  }

  /**
   * Takes a snapshot that covers at least all entries applied so far, and compacts the log.
   * Resolves when the snapshot is durable. Rejects with `KONTIKI_UNSUPPORTED` if there is no
   * snapshot store, `KONTIKI_NO_SNAPSHOT` if nothing has been applied yet, and `KONTIKI_DISK_FULL`
   * if there is no room. May also reject with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED` or
   * `KONTIKI_CLOSED`. No data is lost after any of these errors.
   *
   * Without `options.timeout`, only the wait for the current batch has a deadline, because writing
   * a large state takes a long time. After a timeout or an abort, the snapshot continues in the
   * background.
   */
  snapshot(options: CallOptions = {}): Promise<SnapshotInfo> {
    const refused = this.#refuseCall(options);
    if (refused !== undefined) return Promise.reject(refused);
    const { snapshots } = this.#loop;
    if (snapshots !== undefined) return limited(this.#calls, options, () => snapshots.take());
    return Promise.reject(new KontikiError('KONTIKI_UNSUPPORTED', 'This node was opened without a snapshot store.'));
  }

  /** The current leader; undefined if this server does not know it. */
  get leader(): Leader | undefined {
    return this.#ending.ended === undefined ? leaderOf(this.#raw.raft) : undefined;
  }

  get isLeader(): boolean {
    return this.#raw.raft.role === 'leader' && this.#ending.ended === undefined;
  }

  /** The feature level of the newest committed membership; 0 on a blank server. */
  get level(): number {
    return this.#raw.raft.log.liveMemberships[0]?.membership.level ?? 0;
  }

  status(): Status {
    const { cluster } = this.#identity;
    const now = this.#clock.now();
    const time = { now, wallOffset: wallOffset(this.#clock, now) };
    return statusOf(this.#raw.raft, cluster, time, this.#loop.transport.refusals, this.#ending.ended);
  }

  /**
   * Resolves with the leader as soon as this server knows one, or immediately if it already does.
   * Rejects with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED` or `KONTIKI_CLOSED`.
   */
  waitForLeader(options: CallOptions = {}): Promise<Leader> {
    const refused = this.#refuseCall(options);
    if (refused !== undefined) return Promise.reject(refused);
    const run = (signal: AbortSignal): Promise<Leader> =>
      new Promise((resolve) => {
        this.#events.on('leader', ({ leader }) => leader && resolve(leader), { signal });
      });
    if (this.leader !== undefined) return Promise.resolve(this.leader);
    return limited(this.#calls, { ...options, timeout: options.timeout ?? this.#timeout }, run);
  }

  /**
   * Resolves when this server has applied every entry that had been committed when this call
   * started. Waits for a leader without a deadline, unless `options.timeout` sets one. Rejects like
   * `read`.
   */
  async ready(options: CallOptions = {}): Promise<void> {
    await this.#read(() => undefined, options, options?.timeout ?? Infinity);
  }

  /**
   * Runs a job while this server leads. Waits until this server leads and has committed a new
   * entry. Then calls `run(signal, token)` with the index of that entry, and settles like `run`.
   *
   * The signal is aborted when this server stops leading, closes or fails. After `run` has
   * returned, it is called again the next time this server leads, with a higher token. An isolated
   * leader may take up to two election timeouts to notice that it no longer leads. So a job that
   * changes another system must pass its token along. That system must refuse any token lower than
   * the highest one it has seen.
   *
   * Rejects with `KONTIKI_ABORTED` or `KONTIKI_CLOSED`, but not before `run` has returned.
   */
  whileLeader<T>(
    run: (signal: AbortSignal, token: number) => T | PromiseLike<T>,
    options: WhileLeaderOptions = {},
  ): Promise<T> {
    const parts: NodeParts = {
      raft: this.#raw.raft,
      operations: this.#loop.operations,
      events: this.#events,
      refuse: () => this.#refuseCall(options, whileLeaderOptions),
      limited: (wait) => limited(this.#calls, options, wait),
    };
    return whileLeader(parts, run, options);
  }

  /**
   * Iterates over the current value of an event and all later values. A slow consumer skips values,
   * but always receives the newest one. Ends when the node ends. Throws `KONTIKI_BAD_OPTION` if the
   * event has no current value. Rejects with `KONTIKI_ABORTED` when the signal is aborted.
   */
  watch<Name extends Watchable>(
    name: Name,
    options: ListenerOptions = {},
  ): AsyncGenerator<NodeEvents[Name], void, void> {
    return watch(this.#events, this.#raw.raft, name, options, () => this.#ending.ended !== undefined);
  }

  /**
   * Iterates over the committed commands from `options.from` on, in order, as soon as this server
   * has applied them. Commands that are applied while the feed is open come with their results.
   * Ends when the node ends. Rejects with `KONTIKI_COMPACTED` if a snapshot replaced an entry
   * before the feed has read it, and with `KONTIKI_ABORTED` when the signal is aborted.
   */
  committed(options: FeedOptions = {}): AsyncGenerator<Committed<Result>, void, void> {
    return this.#loop.feeds.open(options);
  }

  /**
   * Adds a listener for events, and returns a function that removes the listener. The listener is
   * also removed when `options.signal` is aborted. Listeners run after the turn that caused the
   * event. Throws `KONTIKI_BAD_OPTION` if there is no event with this name.
   */
  on<Name extends keyof NodeEvents>(
    name: Name,
    listener: (event: NodeEvents[Name]) => void,
    options: ListenerOptions = {},
  ): () => void {
    return this.#events.on(name, listener, options);
  }

  /**
   * Resolves the next time an event with this name is emitted. There is no deadline unless
   * `options.timeout` sets one. Rejects with `KONTIKI_CLOSED` if the node ends before the event.
   */
  once<Name extends keyof NodeEvents>(name: Name, options: CallOptions = {}): Promise<NodeEvents[Name]> {
    const refused = this.#refuseCall(options);
    if (refused !== undefined) return Promise.reject(refused);
    return limited(this.#calls, options, async (signal) => this.#events.next(name, signal));
  }

  /**
   * Changes the timings immediately. All servers of a cluster should use the same timings. Throws
   * `KONTIKI_BAD_OPTION` if the timings are invalid.
   */
  setTimings(timings: Partial<Timings>): void {
    this.#raw.setTimings(checkTimings({ ...this.#raw.raft.timings, ...timings }));
    this.#loop.schedule();
  }

  /**
   * Switches to another transport, which must not have been started before. Starts the new
   * transport, then closes the old transport and resolves. Messages in flight are dropped; Raft
   * sends them again. If the new transport fails to start, rejects with its error and keeps the old
   * transport.
   *
   * If both transports listen on the same port, close the old transport before this call. The node
   * is then disconnected until this method resolves. If there are several calls, they take effect
   * in call order. Rejects with `KONTIKI_CLOSED` if the node has closed or failed. Closes the new
   * transport if the call fails. There is no default deadline. After a timeout or an abort, the
   * node keeps its current transport.
   */
  setTransport(transport: Transport, options: CallOptions = {}): Promise<void> {
    return limited(this.#calls, options, (signal) => this.#loop.transport.replace(transport, signal));
  }

  /**
   * Stops the node and closes its ports. Durable data is kept, and the membership does not change.
   * Repeated calls have no further effect.
   *
   * First, the node refuses new calls, waits for the outcome of appended and forwarded proposals
   * (`drain`), and transfers its leadership (`transfer`). This takes at most `timeout`
   * milliseconds. Proposals that still have no outcome then reject with `KONTIKI_UNKNOWN_OUTCOME`,
   * and all other waiting calls reject with `KONTIKI_CLOSED`.
   *
   * After that, the node waits for the state machine to finish its current batch, for a snapshot in
   * progress, and for the transport to close. Finally, it closes the stores. Each of these two
   * steps takes at most `timeout` milliseconds (default 10,000). If a part hangs, the other parts
   * are closed anyway. The call then rejects with a `KONTIKI_TIMEOUT` error that names this part.
   * An `apply` that awaits this call hangs until that timeout.
   */
  close(options: CloseOptions = {}): Promise<void> {
    const refused = refuseOptions(options, closeOptions);
    if (refused !== undefined) return Promise.reject(refused);
    return this.#ending.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(options: NodeOptions<Result>, { state }: AlignedStores, signal: AbortSignal): Promise<void> {
    const { log, transport, address } = options;
    reportStart(state, this.#raw.raft.log.blank, this.#logger);
    checkAddresses(this.#raw.raft, transport, state.last > 1, this.#logger);
    if (address !== undefined) transport.checkAddresses?.(new Map([[this.id, address]]));
    log.onFull((full) => this.#loop.setFull(full));
    await this.#loop.transport.start(this.#identity, signal);
    this.#loop.start();
  }

  #refuseCall(options: CallOptions, known?: object): KontikiError | undefined {
    return this.#ending.refusal ?? refuseOptions(options, known);
  }

  #refuseProposal(data: Uint8Array, options: ProposeOptions): KontikiError | undefined {
    const refused = this.#refuseCall(options, proposeOptions);
    if (refused !== undefined) return refused;
    return (
      checkProposal(data, options, this.#maxCommandBytes) ??
      this.#loop.proposals.refuse(data.length, options.forward ?? true)
    );
  }
}
