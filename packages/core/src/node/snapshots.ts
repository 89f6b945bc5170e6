import type { RaftLog } from '../log/raft-log.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import { entryBytes, type Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import { isKontikiError, KontikiError } from '../errors.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LogStore } from '../ports/log-store.js';
import type { Logger } from '../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { SnapshotChunk, SnapshotOffer } from '../protocol/message.js';
import type { SnapshotEvent } from '../protocol/output.js';
import type { Raft } from '../protocol/raft.js';
import type { Emitter } from './emitter.js';
import { SnapshotReceiver } from './snapshot-receiver.js';
import { SnapshotSenders } from './snapshot-senders.js';
import type { SnapshotPolicy } from './snapshot-policy.js';
import type { SnapshotTaker } from './snapshot-taker.js';
import type { NodeEvents } from './status.js';

/** Milliseconds after a failure before another snapshot is taken by policy. */
const RETRY_MS = 10_000;

export interface SnapshotsOptions {
  readonly raft: Raft;
  readonly log: LogStore;
  readonly store: SnapshotStore;
  readonly taker: SnapshotTaker;
  readonly policy: SnapshotPolicy;
  readonly cluster: string;
  readonly genesis: () => number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Emitter<NodeEvents>;
  /** The newest one at the start. */
  readonly newest: SnapshotInfo | undefined;
  /** The protocol was told something: a turn must follow. */
  readonly schedule: () => void;
  /** This server may be blank, and learns whose data it holds. */
  readonly learnGenesis: (genesis: number) => void;
  /** A snapshot has taken the place of the log: what was proposed at or below `index` has no outcome here. */
  readonly onInstalled: (index: number) => void;
  readonly onFailure: (error: Error) => void;
}

/** Takes snapshots when they are due, compacts the log behind them, sends them to peers that need one, and receives them. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #receiver: SnapshotReceiver;
  readonly #senders: SnapshotSenders;
  readonly #timer: Timer;
  #newest: SnapshotInfo | undefined;
  /** Id of one that turned out to be damaged, and goes when there is another. */
  #damaged: string | undefined;
  /** Where the log may be compacted to although a peer would need more: the snapshot before the newest. */
  #before = 0;
  #taking: Promise<SnapshotInfo> | undefined;
  /** Applied since the newest one. */
  #bytes = 0;
  /** Milliseconds: when one is due for its time, and before which none is taken by policy, since the last try failed. */
  #dueAt: number;
  #notBefore = -Infinity;
  #closed = false;

  constructor(options: SnapshotsOptions) {
    const { store, raft, schedule, events, logger, policy, clock } = options;
    this.#options = options;
    this.#newest = options.newest;
    this.#dueAt = clock.now() + policy.maxAgeMs;
    this.#timer = clock.timer(() => this.#consider());
    this.#timer.set(this.#dueAt);
    this.#senders = new SnapshotSenders({
      ...options,
      bytesPerSecond: policy.bytesPerSecond,
      onDamaged: (id) => this.#replace(id),
    });
    this.#receiver = new SnapshotReceiver({
      store,
      clock,
      acknowledge: (from, message, id, offset) => {
        raft.acknowledgeSnapshot(from, message, id, offset);
        schedule();
      },
      onReceived: (info, from, message) => this.#received(info, from, message),
      onProgress: ({ last: { index } }, bytes, total, rate) =>
        events.emit('snapshotReceiving', { index, bytes, total, rate }),
      onFailure: (error) => {
        logger.warn('a snapshot from the leader was abandoned; it will be offered again', { error });
        events.emit('snapshotFailed', { error });
      },
    });
  }

  /** Resolves with a snapshot of everything that is applied now, or later. */
  async take(): Promise<SnapshotInfo> {
    const { raft } = this.#options;
    const wanted = raft.log.applied;
    if (wanted === 0)
      throw new KontikiError('KONTIKI_NO_SNAPSHOT', 'Nothing is applied here yet: there is no state to take one of.');
    // One that was begun before may be of an earlier state.
    await this.#taking?.catch(() => {});
    if (this.#newest !== undefined && this.#newest.last.index >= wanted) return this.#newest;
    this.#taking ??= this.#take().finally(() => (this.#taking = undefined));
    return this.#taking;
  }

  /** Entries were applied. */
  onApplied(entries: readonly Entry[]): void {
    for (const entry of entries) this.#bytes += entryBytes(entry);
    this.#receiver.onAppliedTo(this.#options.raft.log.applied);
    this.#consider();
  }

  handle(event: SnapshotEvent): void {
    switch (event.kind) {
      case 'wanted':
        if (this.#newest === undefined) this.#begin();
        return this.#senders.send(event.peer, event.stream, this.#newest);
      case 'acknowledged':
        return this.#senders.onAcknowledged(event.from, event.message);
      case 'offered':
        if (this.#isOurs(event.from, event.message.meta)) this.#receiver.onOffer(event.from, event.message);
        return;
      case 'arrived':
        return this.#receiver.onChunk(event.from, event.message);
    }
  }

  /** Begins nothing else, and gives up what would take long. */
  stop(): void {
    this.#closed = true;
    this.#timer.close();
    this.#options.taker.stop();
    this.#senders.close();
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.stop();
    await this.#receiver.close();
    await this.#taking?.catch(() => {});
    await this.#options.store.close();
  }

  // ---- taking

  #consider(): void {
    const { raft, policy, clock } = this.#options;
    if (this.#closed || this.#taking !== undefined) return;
    const now = clock.now();
    const entries = raft.log.applied - (this.#newest?.last.index ?? 0);
    const late = now >= this.#dueAt && entries > 0;
    if (now < this.#notBefore) return;
    if (entries < policy.maxEntries && this.#bytes < policy.maxBytes && !late) return;
    this.#begin();
  }

  /** This one is damaged, and the log may not reach back behind it any more. */
  #replace(damaged: string): void {
    if (this.#newest !== undefined && this.#newest.id !== damaged) return this.#senders.serve(this.#newest);
    this.#damaged = damaged;
    this.#newest = undefined;
    this.#begin();
  }

  #begin(): void {
    if (this.#closed || this.#taking !== undefined) return;
    this.#taking = this.#take().finally(() => (this.#taking = undefined));
    this.#taking.catch(() => {
      // Told already.
    });
  }

  async #take(): Promise<SnapshotInfo> {
    const { taker, policy, clock, events, logger, onFailure } = this.#options;
    this.#bytes = 0;
    try {
      const info = await taker.take();
      this.#wait(clock.now() + policy.maxAgeMs);
      logger.info(`took a snapshot of entry ${info.last.index}`, { bytes: info.bytes });
      events.emit('snapshot', { index: info.last.index, bytes: info.bytes });
      await this.#keep(info);
      return info;
    } catch (error) {
      // A machine that throws and a broken invariant stop the server; that a disk is full does not.
      if (isKontikiError(error, 'KONTIKI_MACHINE_FAILED') || isKontikiError(error, 'KONTIKI_INVARIANT'))
        onFailure(error);
      else if (!this.#closed) {
        logger.warn('no snapshot could be taken; the log is kept, and it is tried again', { error });
        events.emit('snapshotFailed', { error: error as Error });
      }
      this.#notBefore = clock.now() + RETRY_MS;
      this.#wait(this.#notBefore);
      throw error;
    }
  }

  #wait(until: number): void {
    this.#dueAt = until;
    if (!this.#closed) this.#timer.set(until);
  }

  /** A newer one is durable: the log and older ones may go. */
  async #keep(info: SnapshotInfo): Promise<void> {
    const { logger } = this.#options;
    if (this.#closed || (this.#newest !== undefined && this.#newest.last.index >= info.last.index)) return;
    this.#before = this.#newest?.last.index ?? 0;
    this.#newest = info;
    this.#senders.serve(info);
    await this.#compact(info);
    try {
      await this.#removeOlder(info);
    } catch (error) {
      if (isKontikiError(error, 'KONTIKI_INVARIANT')) throw error;
      if (!this.#closed) logger.warn('an old snapshot could not be removed; the next one tries again', { error });
    }
  }

  async #removeOlder(info: SnapshotInfo): Promise<void> {
    const { store, policy } = this.#options;
    const sent = this.#senders.ids;
    // One of more than this one is damaged, or not yet installed: it takes no other's place.
    const held = (await store.list()).filter(({ last }) => last.index <= info.last.index);
    const kept = new Set(held.filter(({ id }) => id !== this.#damaged).slice(0, policy.keep));
    const old = held.filter((one) => !kept.has(one) && !sent.has(one.id));
    for (const { id } of old) await store.remove(id);
  }

  async #compact({ last }: SnapshotInfo): Promise<void> {
    const { raft, log, policy, genesis, onFailure } = this.#options;
    if (this.#closed) return;
    const needed = Math.max(this.#before, this.#neededByPeers());
    // One that has arrived may be of more than is applied here.
    const index = Math.min(trailing(raft.log, last.index, policy), needed, raft.log.applied, raft.log.durable);
    if (index <= raft.log.base.index) return;
    raft.compact(index);
    try {
      await log.compact({ ...raft.log.base, genesis: genesis() });
    } catch (error) {
      if (!this.#closed) onFailure(error as Error);
    }
  }

  /** What peers hold that are fed from the log, or will have by the snapshot that they are being sent. */
  #neededByPeers(): number {
    const { raft } = this.#options;
    let needed = Infinity;
    for (const [id, { match, lost }] of raft.peers ?? []) {
      if (!lost) needed = Math.min(needed, this.#senders.index(id) ?? match);
    }
    return needed;
  }

  // ---- receiving

  #isOurs(from: ServerId, { cluster, genesis, last }: SnapshotMeta): boolean {
    const own = this.#options.genesis();
    if (cluster === this.#options.cluster && (own === undefined || own === genesis)) return true;
    this.#options.logger.error(`server ${from} offers a snapshot of entry ${last.index} of another cluster; dropped`);
    return false;
  }

  #received(info: SnapshotInfo, from: ServerId, message: SnapshotOffer | SnapshotChunk): void {
    const { raft, logger, schedule, learnGenesis, onInstalled, events, onFailure } = this.#options;
    if (this.#closed) return;
    try {
      learnGenesis(info.genesis);
      if (raft.install(info, from, message)) {
        logger.info(`installs the snapshot of entry ${info.last.index}`, { bytes: info.bytes });
        this.#bytes = 0;
        onInstalled(info.last.index);
        events.emit('snapshotInstalled', { index: info.last.index, bytes: info.bytes });
      }
      schedule();
    } catch (error) {
      return onFailure(error as Error);
    }
    this.#keep(info).catch(onFailure);
  }
}

/** The last index to be compacted so that the entries behind it, as many as the policy keeps and memory holds, stay. */
function trailing(log: RaftLog, index: number, { trailingEntries, trailingBytes }: SnapshotPolicy): number {
  let kept = index;
  for (let bytes = 0; index - kept < trailingEntries; kept -= 1) {
    const entry = log.entry(kept);
    if (entry === undefined) break;
    bytes += entryBytes(entry);
    if (bytes > trailingBytes) break;
  }
  return kept;
}
