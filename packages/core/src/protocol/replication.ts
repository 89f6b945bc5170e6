import { invariant } from '../invariant.js';
import type { Entry } from '../log/entry.js';
import type { ServerId, ServerInfo } from '../log/server.js';
import type { Slice } from '../log/tail.js';
import type { PageRead } from './output.js';
import { Progress } from './progress.js';
import type { Header, Server } from './role.js';

/**
 * Number of election timeouts for which a leader keeps sending to a removed server after its
 * removal is committed. In that time, the server receives the entry that removes it.
 */
const FAREWELL = 2;

/** A removed server, and the time until which the leader keeps sending to it. */
interface Leaving {
  readonly info: ServerInfo;
  /** The time at which the leader stops sending; `Infinity` until the removal is committed. */
  readonly until: number;
}

/**
 * Sends a leader's log and heartbeats to its peers, within the limits of each peer's window (Raft
 * §5.3).
 */
export class Replication {
  readonly #server: Server;
  readonly #peers = new Map<ServerId, Progress>();
  #leaving: ReadonlyMap<ServerId, Leaving> = new Map();
  #streams = 0;
  /**
   * The slice of entries that was sent last. All peers that are up to date receive the same slice,
   * so it is encoded only once.
   */
  #cached: Slice | undefined;

  constructor(server: Server) {
    this.#server = server;
    for (const { membership } of server.log.liveMemberships) this.#add(membership.servers.keys());
    this.followMembership();
  }

  get peers(): ReadonlyMap<ServerId, Progress> {
    return this.#peers;
  }

  /** Removed servers to which this leader still sends the entry that removes them. */
  get leaving(): ReadonlyMap<ServerId, { readonly info: ServerInfo }> {
    return this.#leaving;
  }

  /**
   * Starts sending to the servers that the membership in force has added. A removed server that is
   * added again gets a new stream, so that acknowledgements from before its removal do not count.
   */
  followMembership(): void {
    const { log, membership } = this.#server;
    const leaving = new Map<ServerId, Leaving>();
    for (const id of this.#peers.keys()) {
      const returned = this.#leaving.has(id) && membership.servers.has(id);
      if (returned) this.#peers.delete(id);
      if (membership.servers.has(id)) continue;
      const known = log.liveMemberships.findLast((live) => live.membership.servers.has(id))?.membership.servers.get(id);
      const info = this.#leaving.get(id)?.info ?? known;
      if (info === undefined) this.#peers.delete(id);
      else leaving.set(id, this.#leaving.get(id) ?? { info, until: Infinity });
    }
    this.#leaving = leaving;
    this.#add(membership.servers.keys());
  }

  /** Called when the membership in force is committed. */
  removalsCommitted(): void {
    if ([...this.#leaving.values()].every((at) => at.until < Infinity)) return;
    const until = this.#server.now + FAREWELL * this.#server.timings.election;
    this.#leaving = new Map([...this.#leaving].map(([id, at]) => [id, { ...at, until: Math.min(at.until, until) }]));
  }

  #add(ids: Iterable<ServerId>): void {
    for (const id of ids) if (id !== this.#server.id && !this.#peers.has(id)) this.#reset(id);
  }

  #partFromRemoved(): void {
    const gone = [...this.#leaving].filter(([, { until }]) => this.#server.now >= until);
    if (gone.length === 0) return;
    for (const [id] of gone) this.#peers.delete(id);
    this.#leaving = new Map([...this.#leaving].filter(([id]) => this.#peers.has(id)));
  }

  /**
   * Returns the progress of the peer that sent an answer, or undefined if the peer is unknown or
   * the stream belongs to an earlier incarnation. An answer from a new incarnation resets the
   * progress, because earlier acknowledgements prove nothing about a restarted peer.
   */
  identify(from: ServerId, answer: Header & { readonly stream: number }): Progress | undefined {
    const progress = this.#peers.get(from);
    if (progress === undefined || !progress.ownsStream(answer.stream)) return undefined;
    if (progress.incarnation === 0) progress.adopt(answer);
    if (progress.incarnation !== answer.incarnation) {
      this.#reset(from);
      // The peer has answered a request that was sent to an earlier incarnation of it.
      this.#peers.get(from)?.adopt(answer);
      return undefined;
    }
    progress.lastActive = this.#server.now;
    return progress;
  }

  heartbeat(round: number): void {
    const { output, header } = this.#server;
    this.#partFromRemoved();
    for (const [id, progress] of this.#peers) {
      const committed = this.#noteCommitSent(progress, progress.match);
      output.send(id, { kind: 'heartbeat', ...header, stream: progress.stream, round, committed });
    }
  }

  /**
   * Sends each peer as many entries as its window allows. If no append carries the commit index to
   * a peer, sends the index in a separate message.
   */
  flush(): void {
    for (const [id, progress] of this.#peers) {
      const sent = this.#replicate(id, progress);
      if (!sent) this.#announceCommit(id, progress);
    }
    this.#cached = undefined;
  }

  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    const progress = this.#peers.get(read.peer);
    // The peer's progress may have changed since the request, because the peer rejected an append
    // or restarted.
    if (progress === undefined || progress.pendingRead !== read) return;
    progress.pendingRead = undefined;
    // The entries were compacted before or during the read, so the term of the preceding entry is
    // unknown.
    if (entries === undefined || read.from <= this.#server.log.base.index)
      return this.#requestSnapshot(read.peer, progress);
    const [first] = entries;
    invariant(
      first?.index === read.from,
      () => `entries from ${read.from} were requested, but entries from ${first?.index} were read`,
    );
    if (progress.ready && progress.next === read.from) this.#append(read.peer, progress, entries, read.maxBytes);
  }

  #reset(id: ServerId): void {
    const { log, now, limits } = this.#server;
    const draw = (): number => (this.#streams += 1);
    this.#peers.set(id, new Progress(draw, log.lastIndex + 1, now, limits));
  }

  #replicate(id: ServerId, progress: Progress): boolean {
    const { log, limits, output, membership } = this.#server;
    // The peer does not support the cluster's feature level, and would report every entry as
    // unreadable.
    if (progress.level !== undefined && progress.level < membership.level) return false;
    let sent = false;
    if (progress.nudge) {
      progress.nudge = false;
      if (progress.next <= log.base.index) {
        this.#requestSnapshot(id, progress);
        return false;
      }
      this.#append(id, progress, [], 0);
      sent = true;
    }
    while (progress.ready) {
      const { next } = progress;
      if (next <= log.base.index) {
        if (!progress.full) this.#requestSnapshot(id, progress);
        break;
      }
      if (next > log.lastIndex) {
        if (progress.state === 'replicate') break;
        this.#append(id, progress, [], 0);
        return true;
      }
      if (progress.full && !this.#fitsFullDisk(next)) {
        if (progress.state !== 'probe') break;
        // An empty append needs no room on the peer's disk, and the answer to it shows how much of
        // the log the peer has.
        this.#append(id, progress, [], 0);
        return true;
      }
      const slice = this.#slice(next);
      if (slice === undefined) {
        const read = { peer: id, from: next, to: log.lastIndex, maxBytes: limits.messageBytes };
        progress.pendingRead = read;
        output.readPage(read);
        break;
      }
      this.#append(id, progress, slice.entries, slice.bytes);
      sent = true;
    }
    return sent;
  }

  /**
   * Returns whether only no-op entries remain to be sent. Every disk reserves room for no-ops, so
   * that a leader can be elected and serve reads while all disks are full.
   */
  #fitsFullDisk(next: number): boolean {
    const { log } = this.#server;
    for (let index = next; index <= log.lastIndex; index += 1) if (log.entry(index)?.kind !== 'noop') return false;
    return true;
  }

  #slice(from: number): Slice | undefined {
    if (this.#cached?.entries[0]?.index === from) return this.#cached;
    const { log, limits } = this.#server;
    const slice = log.slice(from, log.lastIndex, limits.messageBytes);
    if (slice !== undefined) this.#cached = slice;
    return slice;
  }

  #append(id: ServerId, progress: Progress, entries: readonly Entry[], bytes: number): void {
    const { log, header, output } = this.#server;
    const prevIndex = progress.next - 1;
    const prevTerm = log.termAt(prevIndex);
    invariant(prevTerm !== undefined, () => `the term before entry ${progress.next} is gone`);
    const end = prevIndex + entries.length;
    progress.sent(end, bytes);
    this.#noteCommitSent(progress, end);
    const { committed } = log;
    const { stream } = progress;
    output.send(id, { kind: 'append', ...header, stream, prevIndex, prevTerm, committed, entries });
  }

  /**
   * Returns the commit index to send to a peer whose log matches up to `held`, and records it as
   * sent.
   */
  #noteCommitSent(progress: Progress, held: number): number {
    const committed = Math.min(held, this.#server.log.committed);
    if (committed > progress.committedSent) progress.committedSent = committed;
    return committed;
  }

  /**
   * Sends the commit index to an idle peer in a separate message. A peer with appends in flight
   * will receive another append, which also carries the index. Waits one turn before sending,
   * because a caller whose proposal has just been committed often proposes again. The append
   * message with that proposal then makes the separate message unnecessary.
   */
  #announceCommit(id: ServerId, progress: Progress): void {
    const { log, header, output } = this.#server;
    if (progress.state !== 'replicate' || progress.window.size > 0) return;
    const committed = Math.min(progress.match, log.committed);
    if (committed <= progress.committedSent) return;
    if (committed > progress.unannounced) {
      progress.unannounced = committed;
      return output.requestAnotherTurn();
    }
    output.send(id, { kind: 'commit', ...header, committed: this.#noteCommitSent(progress, progress.match) });
  }

  #requestSnapshot(id: ServerId, progress: Progress): void {
    progress.needsSnapshot();
    this.#server.report({ kind: 'needsSnapshot', peer: id });
    this.#server.output.snapshot({ kind: 'wanted', peer: id, stream: progress.stream });
  }
}
