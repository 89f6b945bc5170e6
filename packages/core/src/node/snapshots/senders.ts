import { isKontikiError, KontikiError } from '../../errors.js';
import type { ServerId } from '../../log/server.js';
import type { Clock } from '../../ports/clock.js';
import type { Logger } from '../../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { SnapshotAck } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import { checkSnapshot } from '../../wire/index.js';
import type { Emitter } from '../events/emitter.js';
import type { NodeEvents } from '../events/events.js';
import { ProgressMeter } from './progress.js';
import { SnapshotSender } from './sender.js';
import { SnapshotWindow } from './window.js';

/**
 * Number of consecutive failed reads without progress after which a snapshot is considered damaged.
 * Fewer failures may just mean that the disk is busy.
 */
const MAX_FAILED_READS = 3;

/**
 * Maximum bytes per second to one peer while commands are waiting to be committed, because commits
 * need the same processors and disks.
 */
const BYTES_PER_SECOND_DURING_COMMITS = 100e6;

export interface SendersOptions {
  readonly raft: Raft;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Emitter<NodeEvents>;
  /**
   * Maximum bytes per second to one peer. If undefined, there is a limit only while commands are
   * waiting to be committed.
   */
  readonly bytesPerSecond: number | undefined;
  /** Called after an input to the protocol, in order to schedule a turn. */
  readonly schedule: () => void;
  /** Called when a snapshot cannot be sent because it is damaged or unreadable. */
  readonly onDamaged: (id: string) => void;
}

/** Sends snapshots to the peers that need them. Transfers to several peers run in parallel. */
export class SnapshotSenders {
  readonly #options: SendersOptions;
  readonly #senders = new Map<ServerId, SnapshotSender>();
  readonly #window = new SnapshotWindow();
  /**
   * The peers that are waiting for the next snapshot, each with the stream for which it needs the
   * snapshot.
   */
  readonly #unserved = new Map<ServerId, number>();
  /** Ids of snapshots that have been checked because a peer requested the whole snapshot again. */
  readonly #checked = new Set<string>();

  constructor(options: SendersOptions) {
    this.#options = options;
  }

  /** Ids of the snapshots that are being sent. */
  get ids(): ReadonlySet<string> {
    return new Set([...this.#senders.values()].map(({ snapshot }) => snapshot.id));
  }

  /**
   * Returns the last index of the snapshot that is being sent to a peer, or undefined if there is
   * none.
   */
  index(peer: ServerId): number | undefined {
    return this.#senders.get(peer)?.snapshot.last.index;
  }

  /**
   * Sends a snapshot to a peer that needs compacted entries. If `snapshot` is undefined, the peer
   * waits for the next snapshot.
   */
  send(peer: ServerId, stream: number, snapshot: SnapshotInfo | undefined): void {
    const { raft, store, clock, schedule, logger, events, bytesPerSecond } = this.#options;
    const { log } = raft;
    const present = this.#senders.get(peer);
    const match = raft.peers?.get(peer)?.match ?? 0;
    // Continue the transfer, unless the peer has reached the end of the snapshot through append
    // messages that were still in flight.
    if (present?.stream === stream && present.snapshot.last.index > match) return;
    this.#end(peer);
    if (snapshot === undefined) return void this.#unserved.set(peer, stream);
    const { index } = snapshot.last;
    logger.info(`sends ${peer} the snapshot of entry ${index}`, { bytes: snapshot.bytes });
    const meter = new ProgressMeter(clock, index, snapshot.bytes);
    let reached = -1;
    let failures = 0;
    const sender: SnapshotSender = new SnapshotSender({
      stream,
      snapshot,
      store,
      clock,
      answerTimeoutMs: 5 * raft.timings.heartbeat,
      window: this.#window,
      bytesPerSecond: () =>
        bytesPerSecond ?? (log.lastIndex > log.committed ? BYTES_PER_SECOND_DURING_COMMITS : Infinity),
      send: (body) => {
        const wanted = raft.sendSnapshot(peer, stream, body);
        if (wanted) schedule();
        else if (this.#senders.get(peer) === sender) this.#end(peer);
        return wanted;
      },
      onProgress: (bytes) => {
        if (bytes > reached) [reached, failures] = [bytes, 0];
        events.emit('snapshotSending', { peer, ...meter.at(bytes) });
      },
      onStartedOver: () => void this.#check(snapshot),
      onTransferFailed: (error) => {
        failures += 1;
        if (isKontikiError(error, 'KONTIKI_CORRUPT') || failures === MAX_FAILED_READS)
          return this.#giveUp(snapshot, error);
        logger.warn(`reading the snapshot of entry ${index} for ${peer} failed; trying again`, { error });
        events.emit('snapshotFailed', { error });
      },
    });
    this.#senders.set(peer, sender);
    sender.start();
  }

  /** Sends a new snapshot to the peers that are waiting for it. */
  serve(snapshot: SnapshotInfo): void {
    const peers = [...this.#unserved];
    this.#unserved.clear();
    for (const [peer, stream] of peers) this.send(peer, stream, snapshot);
  }

  onAcknowledged(from: ServerId, { id, offset }: SnapshotAck): void {
    const sender = this.#senders.get(from);
    if (sender?.snapshot.id === id) sender.onAcknowledged(offset);
  }

  close(): void {
    for (const peer of this.#senders.keys()) this.#end(peer);
  }

  #end(peer: ServerId): void {
    this.#senders.get(peer)?.close();
    this.#senders.delete(peer);
  }

  /**
   * Checks all bytes of a snapshot once. Called when a peer requests the whole snapshot again,
   * because the peer may have found that it is damaged. Peers check every byte of a snapshot, but
   * the sender does not. Without this check, a damaged snapshot would be offered and refused
   * forever.
   */
  async #check(snapshot: SnapshotInfo): Promise<void> {
    const { id } = snapshot;
    if (this.#checked.has(id)) return;
    this.#checked.add(id);
    try {
      await checkSnapshot(this.#options.store.read(id));
    } catch (cause) {
      if (isKontikiError(cause, 'KONTIKI_CORRUPT')) this.#giveUp(snapshot, cause);
    }
  }

  /** Stops sending a damaged snapshot. Its receivers wait for another snapshot. */
  #giveUp({ id, last }: SnapshotInfo, cause: Error): void {
    const { logger, events, onDamaged } = this.#options;
    const isDamage = isKontikiError(cause, 'KONTIKI_CORRUPT');
    const text = `The snapshot of entry ${last.index} ${isDamage ? 'is damaged' : 'cannot be read'}, so another one is taken. Check this server's disk.`;
    const error = new KontikiError(isDamage ? 'KONTIKI_CORRUPT' : 'KONTIKI_STORE_FAILED', text, { cause });
    logger.error(text, { snapshot: id, error });
    events.emit('snapshotFailed', { error });
    for (const [peer, { snapshot, stream }] of this.#senders) {
      if (snapshot.id !== id) continue;
      this.#end(peer);
      this.#unserved.set(peer, stream);
    }
    onDamaged(id);
  }
}
