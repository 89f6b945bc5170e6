import { isKontikiError, KontikiError } from '../../errors.js';
import { entryBytes, type Entry } from '../../log/entry.js';
import type { SnapshotMeta } from '../../log/snapshot-meta.js';
import type { ServerId } from '../../log/server.js';
import type { Clock, Timer } from '../../ports/clock.js';
import type { LogStore } from '../../ports/log-store.js';
import type { Logger } from '../../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { SnapshotChunk, SnapshotOffer } from '../../protocol/message.js';
import type { SnapshotEvent } from '../../protocol/output.js';
import type { Raft } from '../../protocol/raft.js';
import type { Emitter } from '../events/emitter.js';
import type { NodeEvents } from '../events/events.js';
import type { NodeIdentity } from '../identity.js';
import { readSnapshotHead } from '../../wire/index.js';
import { compactionIndex } from './compaction.js';
import type { SnapshotPolicy } from './policy.js';
import { SnapshotReceiver } from './receiver.js';
import { SnapshotSenders } from './senders.js';
import type { SnapshotTaker } from './taker.js';

/** Milliseconds to wait before taking a snapshot again after a failed attempt. */
const RETRY_MS = 10_000;
/**
 * The index of the entry that `bootstrap` writes. No snapshot may end at this entry, because the
 * log may not contain a ballot yet. If the next start found a snapshot but no ballot, it would
 * assume that the log has been lost.
 */
const BOOTSTRAP_INDEX = 1;

export interface SnapshotsOptions {
  readonly raft: Raft;
  readonly log: LogStore;
  readonly store: SnapshotStore;
  readonly taker: SnapshotTaker;
  readonly policy: SnapshotPolicy;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Emitter<NodeEvents>;
  /** The newest snapshot when the node started. */
  readonly newest: SnapshotInfo | undefined;
  /** Ids of the snapshots that were damaged when the node started. */
  readonly damaged: readonly string[];
  /** The version of the state machine's snapshots. */
  readonly version: number;
  /**
   * The kind of compression that the node uses for snapshots; undefined if it does not compress
   * them.
   */
  readonly compression: number | undefined;
  /** Called after an input to the protocol, in order to schedule a turn. */
  readonly schedule: () => void;
  /**
   * Called when a received snapshot has replaced the log, so that the state machine must restore
   * the snapshot.
   */
  readonly onInstalled: () => void;
  readonly onFailure: (error: Error) => void;
}

/**
 * Manages the snapshots of a node: takes them when they are due, compacts the log, sends snapshots
 * to peers, and receives them from the leader.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #receiver: SnapshotReceiver;
  readonly #senders: SnapshotSenders;
  readonly #timer: Timer;
  #newest: SnapshotInfo | undefined;
  /** Ids of damaged snapshots, which are removed as soon as another snapshot is durable. */
  readonly #damaged: Set<string>;
  /** The id of the most recently offered snapshot that this server cannot restore. */
  #refused: string | undefined;
  /** A received snapshot that is replacing the log; undefined once the replacement is durable. */
  #installing: SnapshotInfo | undefined;
  /**
   * The last index of the second newest snapshot. The log may be compacted up to this index even if
   * a peer still needs these entries.
   */
  #previousIndex = 0;
  #taking: Promise<SnapshotInfo> | undefined;
  /** Bytes of entries applied since the newest snapshot. */
  #bytesSince = 0;
  /** The time, in milliseconds, at which a snapshot becomes due because of `maxAgeMs`. */
  #dueAt: number;
  /**
   * The earliest time, in milliseconds, for taking the next snapshot. Set after a failed attempt.
   */
  #notBefore = -Infinity;
  #closed = false;

  constructor(options: SnapshotsOptions) {
    const { store, raft, schedule, events, logger, policy, clock } = options;
    this.#options = options;
    this.#newest = options.newest;
    this.#damaged = new Set(options.damaged);
    this.#dueAt = clock.now() + policy.maxAgeMs;
    this.#timer = clock.timer(() => this.#takeIfDue());
    this.#timer.set(this.#dueAt);
    this.#senders = new SnapshotSenders({
      ...options,
      bytesPerSecond: policy.bytesPerSecond,
      onDamaged: (id) => this.#replaceDamaged(id),
    });
    this.#receiver = new SnapshotReceiver({
      store,
      clock,
      acknowledge: (from, message, id, offset) => {
        raft.acknowledgeSnapshot(from, message, id, offset);
        schedule();
      },
      onReceived: (info, from, message) => this.#install(info, from, message),
      onProgress: (progress) => events.emit('snapshotReceiving', progress),
      onTransferFailed: (error) => {
        logger.warn('receiving a snapshot failed; the leader will offer it again', { error });
        events.emit('snapshotFailed', { error });
      },
    });
  }

  /**
   * Takes a snapshot that covers all entries applied so far. Resolves when the snapshot is durable.
   */
  async take(): Promise<SnapshotInfo> {
    const { raft } = this.#options;
    const wanted = raft.log.applied;
    if (wanted <= BOOTSTRAP_INDEX)
      throw new KontikiError(
        'KONTIKI_NO_SNAPSHOT',
        'No entry of a leader is applied yet, so there is no state to take a snapshot of.',
      );
    // Wait for the snapshot in progress, because it may not cover all applied entries.
    await this.#taking?.catch(() => {});
    if (this.#newest !== undefined && this.#newest.last.index >= wanted) return this.#newest;
    this.#taking ??= this.#take().finally(() => (this.#taking = undefined));
    return this.#taking;
  }

  /** Called when entries have been applied. */
  onApplied(entries: readonly Entry[]): void {
    for (const entry of entries) this.#bytesSince += entryBytes(entry);
    this.#receiver.onAppliedTo(this.#options.raft.log.applied);
    this.#takeIfDue();
  }

  handle(event: SnapshotEvent): void {
    switch (event.kind) {
      case 'wanted':
        if (this.#newest === undefined) this.#takeInBackground();
        return this.#senders.send(event.peer, event.stream, this.#newest);
      case 'acknowledged':
        return this.#senders.onAcknowledged(event.from, event.message);
      case 'offered':
        return this.#onOffered(event.from, event.message);
      case 'arrived':
        return this.#onArrived(event.from, event.message);
    }
  }

  /** Called when a received snapshot that ends at `index` has durably replaced the log. */
  onLogReplaced(index: number): void {
    const info = this.#installing;
    if (info?.last.index !== index) return;
    this.#installing = undefined;
    this.#options.events.emit('snapshotInstalled', { index, bytes: info.bytes });
  }

  /** Stops taking and sending snapshots, and abandons those in progress. */
  stop(): void {
    this.#closed = true;
    this.#timer.close();
    this.#options.taker.stop();
    this.#senders.close();
  }

  /** Resolves when no snapshot is being taken or received any more. */
  async finish(): Promise<void> {
    await this.#receiver.close();
    await this.#taking?.catch(() => {});
  }

  /** Closes the snapshot store. */
  close(): Promise<void> {
    return this.#options.store.close();
  }

  // ---- Taking snapshots.

  #takeIfDue(): void {
    const { raft, policy, clock } = this.#options;
    if (this.#closed || this.#taking !== undefined || raft.log.applied <= BOOTSTRAP_INDEX) return;
    const now = clock.now();
    const entries = raft.log.applied - (this.#newest?.last.index ?? 0);
    const overdue = now >= this.#dueAt && entries > 0;
    if (now < this.#notBefore) return;
    if (entries < policy.maxEntries && this.#bytesSince < policy.maxBytes && !overdue) return;
    this.#takeInBackground();
  }

  /**
   * Takes a new snapshot to replace a damaged one. The log may no longer contain the entries that
   * the damaged snapshot covers.
   */
  #replaceDamaged(damaged: string): void {
    if (this.#newest !== undefined && this.#newest.id !== damaged) return this.#senders.serve(this.#newest);
    this.#damaged.add(damaged);
    this.#newest = undefined;
    this.#takeInBackground();
  }

  #takeInBackground(): void {
    if (this.#closed || this.#taking !== undefined) return;
    this.#taking = this.#take().finally(() => (this.#taking = undefined));
    this.#taking.catch(() => {
      // #take has already reported this error.
    });
  }

  async #take(): Promise<SnapshotInfo> {
    const { taker, policy, clock, events, logger, onFailure } = this.#options;
    this.#bytesSince = 0;
    try {
      const info = await taker.take();
      this.#wakeAt(clock.now() + policy.maxAgeMs);
      logger.info(`took a snapshot of entry ${info.last.index}`, { bytes: info.bytes });
      events.emit('snapshot', { index: info.last.index, bytes: info.bytes });
      await this.#keep(info);
      return info;
    } catch (error) {
      // A failed state machine or a violated invariant stops the server, but a full disk does not.
      if (isKontikiError(error, 'KONTIKI_MACHINE_FAILED') || isKontikiError(error, 'KONTIKI_INVARIANT'))
        onFailure(error);
      else if (!this.#closed) {
        logger.warn('taking a snapshot failed; the log is kept, and the node tries again', { error });
        events.emit('snapshotFailed', { error: error as Error });
      }
      this.#notBefore = clock.now() + RETRY_MS;
      this.#wakeAt(this.#notBefore);
      throw error;
    }
  }

  #wakeAt(time: number): void {
    this.#dueAt = time;
    if (!this.#closed) this.#timer.set(time);
  }

  // ---- Compacting the log and removing older snapshots.

  /** Called when a newer snapshot is durable. Compacts the log and removes older snapshots. */
  async #keep(info: SnapshotInfo): Promise<void> {
    const { logger } = this.#options;
    if (this.#closed || (this.#newest !== undefined && this.#newest.last.index >= info.last.index)) return;
    this.#previousIndex = this.#newest?.last.index ?? 0;
    this.#newest = info;
    this.#senders.serve(info);
    await this.#compact(info);
    try {
      await this.#removeOlder(info);
    } catch (error) {
      if (isKontikiError(error, 'KONTIKI_INVARIANT')) throw error;
      if (!this.#closed) logger.warn('removing an old snapshot failed; the next snapshot tries again', { error });
    }
  }

  async #removeOlder(info: SnapshotInfo): Promise<void> {
    const { store, policy } = this.#options;
    const sent = this.#senders.ids;
    // A snapshot that covers later entries is either damaged or not yet installed, so it does not
    // count toward `keep`.
    const held = (await store.list()).filter(({ last }) => last.index <= info.last.index);
    const kept = new Set(held.filter(({ id }) => !this.#damaged.has(id)).slice(0, policy.keep));
    const old = held.filter((one) => !kept.has(one) && !sent.has(one.id));
    for (const { id } of old) await store.remove(id);
  }

  async #compact({ last }: SnapshotInfo): Promise<void> {
    const { raft, log, policy, identity, onFailure } = this.#options;
    if (this.#closed) return;
    const needed = Math.max(this.#previousIndex, this.#neededByPeers());
    const index = compactionIndex(raft.log, last.index, needed, policy);
    if (index <= raft.log.base.index) return;
    raft.compact(index);
    try {
      await log.compact({ ...raft.log.base, genesis: identity.genesis });
    } catch (error) {
      if (!this.#closed) onFailure(error as Error);
    }
  }

  /**
   * Returns the index up to which all peers have the log. A peer that is receiving a snapshot
   * counts as having the log up to the snapshot's last index.
   */
  #neededByPeers(): number {
    const { raft } = this.#options;
    let needed = Infinity;
    for (const [id, { match, isExcluded }] of raft.peers ?? []) {
      if (!isExcluded) needed = Math.min(needed, this.#senders.index(id) ?? match);
    }
    return needed;
  }

  // ---- Receiving snapshots from the leader.

  #onOffered(from: ServerId, message: SnapshotOffer): void {
    const { id, last, version } = message.meta;
    if (id === this.#refused || !this.#isOurs(from, message.meta)) return;
    if (version > this.#options.version) {
      const why = `version ${version} of the state machine wrote it, but this server has version ${this.#options.version}`;
      return this.#refuse(from, id, last.index, why);
    }
    this.#receiver.onOffer(from, message);
  }

  #onArrived(from: ServerId, message: SnapshotChunk): void {
    const { id, offset, data } = message;
    if (id === this.#refused) return;
    if (offset === 0) {
      const compression = compressionOf(data);
      if (compression !== undefined && compression !== 0 && compression !== this.#options.compression) {
        this.#receiver.abandon();
        return this.#refuse(from, id, undefined, `it has compression ${compression}, which this server does not have`);
      }
    }
    this.#receiver.onChunk(from, message);
  }

  /**
   * Refuses a snapshot that this server could not restore, and reports each such snapshot once. The
   * server still votes, and its log does not change.
   */
  #refuse(from: ServerId, id: string, index: number | undefined, why: string): void {
    this.#refused = id;
    const what = index === undefined ? `snapshot ${id}` : `the snapshot of entry ${index}`;
    const error = new KontikiError(
      'KONTIKI_FORMAT',
      `Server ${from} sends ${what}, but this server cannot restore it: ${why}. This server votes, but does not catch up. Update it, and start it again.`,
    );
    this.#options.logger.error('refused a snapshot', { error });
    this.#options.events.emit('snapshotFailed', { error });
  }

  #isOurs(from: ServerId, { cluster, genesis, last }: SnapshotMeta): boolean {
    const own = this.#options.identity;
    if (cluster === own.cluster && (own.genesis === undefined || own.genesis === genesis)) return true;
    this.#options.logger.error(
      `server ${from} offered a snapshot of entry ${last.index} of another cluster; it is dropped`,
    );
    return false;
  }

  /**
   * Called when a received snapshot is durable. Replaces the log with the snapshot, unless the log
   * already contains the entries that it covers.
   */
  #install(info: SnapshotInfo, from: ServerId, message: SnapshotOffer | SnapshotChunk): void {
    const { raft, logger, schedule, identity, onInstalled, onFailure } = this.#options;
    if (this.#closed) return;
    try {
      // A blank server learns its genesis from its first snapshot.
      identity.genesis ??= info.genesis;
      if (raft.install(info, from, message)) {
        logger.info(`installs the snapshot of entry ${info.last.index}`, { bytes: info.bytes });
        this.#bytesSince = 0;
        onInstalled();
        this.#installing = info;
      }
      schedule();
    } catch (error) {
      return onFailure(error as Error);
    }
    this.#keep(info).catch(onFailure);
  }
}

/**
 * Returns the compression that a snapshot's head specifies, or undefined if `data` contains only
 * part of the head.
 */
function compressionOf(data: Uint8Array): number | undefined {
  try {
    return readSnapshotHead(data).compression;
  } catch {
    // The receiver checks every byte and reports the damage.
    return undefined;
  }
}
