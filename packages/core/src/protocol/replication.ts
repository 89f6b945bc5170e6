import { invariant } from '../invariant.js';
import type { Entry } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import type { Slice } from '../log/tail.js';
import type { PageRead } from './output.js';
import { Progress } from './progress.js';
import type { Server } from './role.js';

/** Sends a leader's log and heartbeats to its peers, within each peer's window (Raft §5.3). */
export class Replication {
  readonly #server: Server;
  readonly #peers = new Map<ServerId, Progress>();
  #streams = 0;
  /** The slice that was sent last. Peers that keep up share it, so that it is encoded once. */
  #cached: Slice | undefined;

  constructor(server: Server) {
    this.#server = server;
    for (const id of server.membership.servers.keys()) if (id !== server.id) this.#reset(id);
  }

  get peers(): ReadonlyMap<ServerId, Progress> {
    return this.#peers;
  }

  /**
   * Returns the progress that an answer belongs to; undefined for an unknown server, and for a
   * stream of an earlier incarnation. An answer of a new incarnation resets the peer's progress,
   * because the acknowledgements of the earlier incarnation prove nothing about the new one.
   */
  identify(from: ServerId, answer: { readonly stream: number; readonly incarnation: number }): Progress | undefined {
    const progress = this.#peers.get(from);
    if (progress === undefined || !progress.ownsStream(answer.stream)) return undefined;
    if (progress.incarnation === 0) progress.incarnation = answer.incarnation;
    if (progress.incarnation !== answer.incarnation) {
      this.#reset(from);
      return undefined;
    }
    progress.lastActive = this.#server.now;
    return progress;
  }

  heartbeat(round: number): void {
    const { output, header } = this.#server;
    for (const [id, progress] of this.#peers) {
      const committed = this.#noteCommitSent(progress, progress.match);
      output.send(id, { kind: 'heartbeat', ...header, stream: progress.stream, round, committed });
    }
  }

  /**
   * Sends each peer the entries that its window allows, or only the commit index if no append
   * carries it.
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
    // The progress has changed since the request, because of a rejection or a restart of the peer.
    if (progress === undefined || progress.pendingRead !== read) return;
    progress.pendingRead = undefined;
    // The entries were compacted before or while they were read, so the term of the preceding entry
    // is unknown.
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
    const { log, limits, output } = this.#server;
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
        this.#requestSnapshot(id, progress);
        break;
      }
      if (next > log.lastIndex) {
        if (progress.state === 'replicate') break;
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
   * Returns the commit index to send to a peer that holds the log up to `held`, and notes it as
   * sent.
   */
  #noteCommitSent(progress: Progress, held: number): number {
    const committed = Math.min(held, this.#server.log.committed);
    if (committed > progress.committedSent) progress.committedSent = committed;
    return committed;
  }

  /**
   * Sends the commit index in a message of its own, if the peer is idle: an append in flight will
   * be followed by another append that carries it. Waits one turn first, because a caller that was
   * just answered often proposes again, and that append carries the commit index, too.
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
