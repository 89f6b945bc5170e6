import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LogState, LogStore } from '../ports/log-store.js';
import { silent, type Logger } from '../ports/logger.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { Message } from '../protocol/message.js';
import type { Load, Mail, Output, Write } from '../protocol/output.js';
import { Raft } from '../protocol/raft.js';
import type { RoleName } from '../protocol/role.js';
import { defaultLimits, defaultTimings, type Timings } from '../protocol/settings.js';
import { originOf } from '../wire/origin.js';
import { Applier } from './applier.js';
import { Calls, type Call, type CallOptions } from './calls.js';
import { Emitter } from './emitter.js';
import { badOption, checkId, checkPositive, checkTimings, type NodeOptions } from './options.js';
import { Proposals, type Applied } from './proposals.js';
import { ReadQueue, serveRead } from './read-queue.js';
import { notLeader, refusal } from './refusals.js';
import { logReport } from './reports.js';
import { leaderOf, statusOf } from './status-of.js';
import type { Leader, NodeEvents, Status } from './status.js';
import { SystemClock } from './system-clock.js';

export interface ReadOptions extends CallOptions {
  /**
   * `linearizable` (default): sees everything acknowledged anywhere before the read began, confirmed by a quorum.
   * `local`: the state here, as old as it may be.
   */
  readonly consistency?: 'linearizable' | 'local' | undefined;
}

interface QueuedProposal<Result> {
  readonly data: Uint8Array;
  readonly call: Call<Applied<Result>>;
}

/** What listeners were last told of. */
interface Seen {
  readonly role: RoleName;
  readonly leader: ServerId | undefined;
  readonly term: number;
  readonly committed: number;
}

/** Mail that leaves when write `after` is durable. */
interface HeldMail {
  readonly after: number;
  readonly mail: Mail;
}

/**
 * A server of the cluster: feeds `Raft` with everything that is waiting, carries out its output on the ports, and
 * answers callers. What piles up while the disk or the network is busy becomes the next batch.
 */
export class RaftNode<Result = unknown> implements AsyncDisposable {
  readonly id: ServerId;
  readonly #cluster: string;
  readonly #raft: Raft;
  readonly #log: LogStore;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timer: Timer;
  readonly #calls: Calls;
  readonly #events: Emitter<NodeEvents>;
  readonly #applier: Applier<Result>;
  readonly #proposals = new Proposals<Result>();
  readonly #reads = new ReadQueue();
  readonly #timeout: number;
  readonly #maxCommandBytes: number;
  #origin: number | undefined;

  /** Inputs that wait for the next turn. */
  #inbox: { from: ServerId; message: Message }[] = [];
  #queued = new Set<QueuedProposal<Result>>();
  #queuedBytes = 0;
  #held: HeldMail[] = [];
  #persisted = 0;

  #scheduled = false;
  /** The turn that saw the time late let the arrivals in; the next one tells the time. */
  #lettingIn = false;
  #ended: 'failed' | 'closed' | undefined;
  #closing: Promise<void> | undefined;
  #seen: Seen;
  #memberships: readonly MembershipAt[] = [];

  /**
   * Opens the log, the state machine and the transport, in this order, and takes part in the cluster. Rejects, with
   * everything closed again, when one of them cannot be opened or doesn't fit the others.
   */
  static async open<Result>(options: NodeOptions<Result>): Promise<RaftNode<Result>> {
    checkId('id', options.id);
    checkId('cluster', options.cluster);
    checkTimings({ ...defaultTimings, ...options.timings });
    for (const [name, value] of Object.entries({ ...defaultLimits, ...options.limits }))
      checkPositive(`limits.${name}`, value);
    checkPositive('timeout', options.timeout ?? 1);
    checkPositive('maxCommandBytes', options.maxCommandBytes ?? 1);
    const owner = { cluster: options.cluster, server: options.id };
    const state = await options.log.open(owner);
    try {
      const applied = (await options.machine.open?.(owner)) ?? 0;
      if (applied > state.last) throw aheadOfLog(applied, state.last);
      const node = new RaftNode(options, state, applied);
      await node.#start(state);
      return node;
    } catch (error) {
      await options.transport.close();
      await options.log.close();
      throw error;
    }
  }

  private constructor(options: NodeOptions<Result>, state: LogState, applied: number) {
    const { id, cluster, log, machine, transport } = options;
    const random = options.random ?? Math.random;
    this.id = id;
    this.#cluster = cluster;
    this.#log = log;
    this.#transport = transport;
    this.#clock = options.clock ?? new SystemClock();
    this.#logger = options.logger ?? silent;
    this.#timeout = options.timeout ?? 10_000;
    this.#maxCommandBytes = options.maxCommandBytes ?? 1024 * 1024;
    this.#origin = state.origin;
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
    this.#calls = new Calls(this.#clock);
    this.#timer = this.#clock.timer(() => this.#turn());
    this.#seen = this.#look();
    this.#applier = new Applier({
      log: this.#raft.log,
      store: log,
      machine,
      clock: this.#clock,
      applied: (entries, through, results) => this.#applied(entries, through, results),
      failed: (error) => this.#fail(error),
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
    const queued = { data, call };
    this.#queued.add(queued);
    this.#queuedBytes += data.length;
    call.giveUp = (why): void => {
      this.#queued.delete(queued);
      this.#queuedBytes -= data.length;
      call.reject(why);
    };
    this.#schedule();
    return call.promise;
  }

  /**
   * Runs `read` between two applies and resolves with what it returns. Linearizable by default, on any server: it waits
   * for a leader to confirm, with a quorum, how far the log was committed, and for that to be applied here. Rejects
   * with `KONTIKI_TIMEOUT`, `KONTIKI_ABORTED`, `KONTIKI_CLOSED`, or what `read` throws.
   */
  read<T>(read: () => T, options: ReadOptions = {}): Promise<T> {
    const ended = this.#refuseEnded(options);
    if (ended !== undefined) return Promise.reject(ended);
    const call = this.#calls.open<T>(options.timeout ?? this.#timeout, options.signal);
    if (options.consistency !== 'local') {
      this.#reads.add(this.#raft.read(), call, read);
      this.#schedule();
    } else if (this.#applier.busy) {
      // In the middle of an asynchronous apply the state is between two indices: its end serves this.
      this.#reads.addLocal(call, read);
    } else {
      serveRead(call, read);
    }
    return call.promise;
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
    this.#schedule();
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

  async #start(state: LogState): Promise<void> {
    for (const repair of state.repairs) this.#logger.warn('cut the torn end of the log', { ...repair });
    if (this.#raft.log.blank) {
      this.#logger.info('this server is blank: it waits for a leader, and neither campaigns nor votes');
    }
    this.#log.onFull((full) => this.#setFull(full));
    const origin = (): number | undefined => this.#origin;
    const identity: Identity = {
      cluster: this.#cluster,
      server: this.id,
      incarnation: this.#raft.header.incarnation,
      get origin() {
        return origin();
      },
    };
    await this.#transport.start(identity, (from, message) => this.#receive(from, message));
    this.#schedule();
  }

  #end(how: 'failed' | 'closed', cause: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#timer.close();
    for (const { call } of this.#queued) {
      call.reject(
        new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended; the command was not appended.`, { cause }),
      );
    }
    this.#queued.clear();
    this.#proposals.abandon(cause);
    this.#reads.abandon(new KontikiError('KONTIKI_CLOSED', `Node ${this.id} has ended.`, { cause }));
    this.#calls.close();
    this.#inbox = [];
    this.#held = [];
  }

  async #release(): Promise<void> {
    await this.#applier.close();
    await this.#transport.close();
    await this.#log.close();
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

  // ---- inputs

  #receive(from: ServerId, message: Message): void {
    if (this.#ended !== undefined) return;
    this.#inbox.push({ from, message });
    this.#schedule();
  }

  #setFull(full: boolean): void {
    if (this.#ended !== undefined) return;
    this.#logger.warn(
      full ? 'the disk is full: this server votes and reads, and writes no entries' : 'the disk has room again',
    );
    this.#raft.setFull(full);
    this.#events.emit('full', { full });
    this.#schedule();
  }

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
    if (this.#raft.role !== 'leader') throw notLeader(this.id, this.leader);
    const waiting = this.#raft.uncommittedBytes + this.#queuedBytes;
    if (waiting > 0 && waiting + data.length > this.#raft.limits.uncommittedBytes) throw refusal('overloaded');
  }

  // ---- the turn

  #schedule(): void {
    if (this.#scheduled || this.#ended !== undefined) return;
    this.#scheduled = true;
    this.#clock.soon(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  /** Everything that waits goes in, one output comes out and is carried out. */
  #turn(): void {
    if (this.#ended !== undefined) return;
    try {
      const raft = this.#raft;
      const now = this.#clock.now();
      // A wake-up this late is a blocked event loop or a suspended process: others' silence proves nothing then.
      const late = now > raft.wakeAt + raft.timings.heartbeat;
      raft.advance(now);
      this.#takeInputs();
      const letIn = late && !this.#lettingIn;
      if (letIn) this.#schedule();
      else raft.tick(late || this.#lettingIn);
      this.#lettingIn = letIn;
      this.#carryOut(raft.takeOutput());
      this.#applier.kick();
      this.#reads.serve(this.#applier.busy ? -1 : raft.log.applied);
      this.#tell();
      this.#timer.set(letIn ? Infinity : raft.wakeAt);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #takeInputs(): void {
    const raft = this.#raft;
    if (this.#persisted > raft.log.finished) {
      raft.persisted(this.#persisted);
      while (this.#held[0] !== undefined && this.#held[0].after <= this.#persisted) {
        this.#send((this.#held.shift() as HeldMail).mail);
      }
    }
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const { from, message } of inbox) raft.step(from, message);
    const queued = this.#queued;
    if (queued.size === 0) return;
    this.#queued = new Set();
    this.#queuedBytes = 0;
    for (const { data, call } of queued) {
      const appended = raft.propose(data);
      if (typeof appended === 'object') this.#proposals.add(appended, call);
      else call.reject(appended === 'notLeader' ? notLeader(this.id, this.leader) : refusal(appended));
    }
  }

  #carryOut(output: Output): void {
    this.#followMembership();
    this.#send(output.messages);
    if (output.write !== undefined) this.#write(output.write);
    if (output.afterWrite.size > 0) {
      if (output.after <= this.#raft.log.finished) this.#send(output.afterWrite);
      else this.#held.push({ after: output.after, mail: output.afterWrite });
    }
    for (const load of output.loads) this.#load(load);
    if (output.reads !== undefined) this.#reads.confirm(output.reads);
    for (const report of output.reports) logReport(this.#logger, report);
  }

  #send(mail: Mail): void {
    for (const [to, messages] of mail) this.#transport.send(to, messages);
  }

  #write({ number, ballot, entries, committed }: Write): void {
    const [first] = entries;
    if (first?.index === 1 && first.kind === 'membership') this.#origin = originOf(first);
    this.#log.append({ ballot, entries, committed }).then(
      () => {
        this.#persisted = Math.max(this.#persisted, number);
        this.#schedule();
      },
      (error: Error) => this.#fail(error),
    );
  }

  #load(load: Load): void {
    this.#log.read(load.from, load.to, load.maxBytes).then(
      (entries) => this.#loaded(load, entries),
      (error: Error) => {
        if (error instanceof KontikiError && error.code === 'KONTIKI_COMPACTED') this.#loaded(load, undefined);
        else this.#fail(error);
      },
    );
  }

  #loaded(load: Load, entries: readonly Entry[] | undefined): void {
    if (this.#ended !== undefined) return;
    try {
      this.#raft.loaded(load, entries);
      this.#schedule();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #applied(entries: readonly Entry[], through: number, results: readonly Result[]): void {
    this.#raft.applied(through);
    let next = 0;
    for (const entry of entries) this.#proposals.settle(entry, entry.kind === 'command' ? results[next++] : undefined);
    this.#reads.serve(through);
    this.#events.emit('apply', { index: through });
  }

  // ---- what has changed

  #look(): Seen {
    const { role, leader, ballot, log } = this.#raft;
    return { role, leader, term: ballot.term, committed: log.committed };
  }

  #tell(): void {
    const before = this.#seen;
    const after = this.#look();
    this.#seen = after;
    if (after.term !== before.term) this.#events.emit('term', { term: after.term, previous: before.term });
    if (after.role !== before.role) {
      this.#logger.info(`${before.role} became ${after.role}`, { term: after.term });
      this.#events.emit('state', { role: after.role, previous: before.role });
    }
    if (after.leader !== before.leader) {
      if (after.leader !== this.id)
        this.#logger.info(after.leader === undefined ? 'no leader' : `leader is ${after.leader}`, { term: after.term });
      this.#events.emit('leader', { leader: this.leader, term: after.term });
    }
    if (after.committed !== before.committed) this.#events.emit('commit', { index: after.committed });
  }

  /** Keeps the transport in touch with every server of a membership that may be in force somewhere. */
  #followMembership(): void {
    const live = this.#raft.log.liveMemberships;
    if (live.length === this.#memberships.length && live.every((at, i) => at === this.#memberships[i])) return;
    this.#memberships = live;
    const peers = new Map<ServerId, string>();
    for (const { membership } of live) {
      for (const [id, { address }] of membership.servers) if (id !== this.id) peers.set(id, address);
    }
    this.#transport.setPeers(peers);
  }
}

function aheadOfLog(applied: number, last: number): KontikiError {
  return new KontikiError(
    'KONTIKI_LOST_DATA',
    `The state machine has applied entry ${applied}, but the log ends at ${last}: part of the log was lost, or these are not of one server. Restore the log, or remove this server from the cluster and add a new id.`,
  );
}
