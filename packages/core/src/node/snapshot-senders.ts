import type { ServerId } from '../log/server.js';
import { isKontikiError, KontikiError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { Logger } from '../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { SnapshotAck } from '../protocol/message.js';
import type { Raft } from '../protocol/raft.js';
import { checkSnapshot } from '../wire/index.js';
import type { Emitter } from './emitter.js';
import { Rate } from './rate.js';
import { SnapshotSender } from './snapshot-sender.js';
import { SnapshotWindow } from './snapshot-window.js';
import type { NodeEvents } from './status.js';

/** How often a snapshot may fail to be read at one place until it counts as damaged: a disk may be busy, or broken there. */
const READS = 3;

/** Bytes a second to one peer while commands wait to be committed, who need the same processors and disks. */
const BESIDE_COMMITS = 100e6;

export interface SendersOptions {
  readonly raft: Raft;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Emitter<NodeEvents>;
  /** To one peer, at the most. Undefined: as many as go without harm to commits. */
  readonly bytesPerSecond: number | undefined;
  /** The protocol was told something: a turn must follow. */
  readonly schedule: () => void;
  /** This snapshot cannot be sent, for it is damaged. */
  readonly onDamaged: (id: string) => void;
}

/** Sends snapshots to the peers that need one, several at a time. */
export class SnapshotSenders {
  readonly #options: SendersOptions;
  readonly #senders = new Map<ServerId, SnapshotSender>();
  readonly #window = new SnapshotWindow();
  /** The streams of peers that need a snapshot while there is none. */
  readonly #unserved = new Map<ServerId, number>();
  /** Ids of snapshots that were read through since a peer had to begin one anew. */
  readonly #checked = new Set<string>();

  constructor(options: SendersOptions) {
    this.#options = options;
  }

  /** Ids of the snapshots that are being sent. */
  get ids(): ReadonlySet<string> {
    return new Set([...this.#senders.values()].map(({ snapshot }) => snapshot.id));
  }

  /** What a peer will hold when it has what it is being sent. */
  index(peer: ServerId): number | undefined {
    return this.#senders.get(peer)?.snapshot.last.index;
  }

  /** A peer has come to an end for want of entries, and needs this snapshot, or the next one if there is none. */
  send(peer: ServerId, stream: number, snapshot: SnapshotInfo | undefined): void {
    const { raft, store, clock, schedule, logger, events, bytesPerSecond } = this.#options;
    const { log } = raft;
    const present = this.#senders.get(peer);
    const match = raft.peers?.get(peer)?.match ?? 0;
    // Entries that were on their way all the same are no reason to begin anew.
    if (present?.stream === stream && present.snapshot.last.index > match) return;
    this.#end(peer);
    if (snapshot === undefined) return void this.#unserved.set(peer, stream);
    const { index } = snapshot.last;
    logger.info(`sends ${peer} the snapshot of entry ${index}`, { bytes: snapshot.bytes });
    const rate = new Rate(clock);
    let reached = -1;
    let failures = 0;
    const sender: SnapshotSender = new SnapshotSender({
      stream,
      snapshot,
      store,
      clock,
      answerTimeoutMs: 5 * raft.timings.heartbeat,
      window: this.#window,
      bytesPerSecond: () => bytesPerSecond ?? (log.lastIndex > log.committed ? BESIDE_COMMITS : Infinity),
      send: (body) => {
        const wanted = raft.sendSnapshot(peer, stream, body);
        if (wanted) schedule();
        else if (this.#senders.get(peer) === sender) this.#end(peer);
        return wanted;
      },
      onProgress: (bytes) => {
        if (bytes > reached) [reached, failures] = [bytes, 0];
        events.emit('snapshotSending', { peer, index, bytes, total: snapshot.bytes, rate: rate.at(bytes) });
      },
      onStartedOver: () => void this.#check(snapshot),
      onFailure: (error) => {
        failures += 1;
        if (isKontikiError(error, 'KONTIKI_CORRUPT') || failures === READS) return this.#giveUp(snapshot, error);
        logger.warn(`the snapshot of entry ${index} cannot be read for ${peer}; it is tried again`, { error });
        events.emit('snapshotFailed', { error });
      },
    });
    this.#senders.set(peer, sender);
    sender.begin();
  }

  /** There is a new one. */
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
   * A peer that has to begin anew may have met damage: it checks every byte, and this server none while it sends. A
   * damaged snapshot would be offered and refused for ever.
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

  /** Whoever was being sent it waits for another one. */
  #giveUp({ id, last }: SnapshotInfo, cause: Error): void {
    const { logger, events, onDamaged } = this.#options;
    const isDamage = isKontikiError(cause, 'KONTIKI_CORRUPT');
    const text = `The snapshot of entry ${last.index} ${isDamage ? 'is damaged' : 'cannot be read'}; another one is taken. Look at this server's disk.`;
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
