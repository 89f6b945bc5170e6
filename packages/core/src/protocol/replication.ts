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
  /** The slice sent last: peers that keep up get the same one, so that it is encoded once. */
  #cached: Slice | undefined;

  constructor(server: Server) {
    this.#server = server;
    for (const id of server.membership.servers.keys()) if (id !== server.id) this.#begin(id);
  }

  get peers(): ReadonlyMap<ServerId, Progress> {
    return this.#peers;
  }

  /**
   * The progress an answer belongs to; undefined for a stranger, another stream's or another life's. An answer of a
   * new life begins a new stream: what the earlier one acknowledged proves nothing about the present one.
   */
  identify(from: ServerId, answer: { readonly stream: number; readonly incarnation: number }): Progress | undefined {
    const progress = this.#peers.get(from);
    if (progress === undefined || !progress.knows(answer.stream)) return undefined;
    if (progress.incarnation === 0) progress.incarnation = answer.incarnation;
    if (progress.incarnation !== answer.incarnation) {
      this.#begin(from);
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

  /** Sends each peer what its window admits, and a commit index that nothing else carries. */
  flush(): void {
    for (const [id, progress] of this.#peers) {
      const sent = this.#replicate(id, progress);
      if (!sent) this.#announceCommit(id, progress);
    }
    this.#cached = undefined;
  }

  pageRead(read: PageRead, entries: readonly Entry[] | undefined): void {
    const progress = this.#peers.get(read.peer);
    // The progress has moved on to something else since it asked: by a rejection, say, or another life.
    if (progress === undefined || progress.pendingRead !== read) return;
    progress.pendingRead = undefined;
    // Compacted before it was read, or meanwhile: then the term before it is gone.
    if (entries === undefined || read.from <= this.#server.log.base.index)
      return this.#needSnapshot(read.peer, progress);
    const [first] = entries;
    invariant(
      first?.index === read.from,
      () => `entries from ${read.from} on were asked for, not from ${first?.index}`,
    );
    if (progress.ready && progress.next === read.from) this.#append(read.peer, progress, entries, read.maxBytes);
  }

  #begin(id: ServerId): void {
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
        this.#needSnapshot(id, progress);
        return false;
      }
      this.#append(id, progress, [], 0);
      sent = true;
    }
    while (progress.ready) {
      const { next } = progress;
      if (next <= log.base.index) {
        this.#needSnapshot(id, progress);
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

  /** The commit index as a peer that holds the log up to `held` may take it; remembered as told. */
  #noteCommitSent(progress: Progress, held: number): number {
    const committed = Math.min(held, this.#server.log.committed);
    if (committed > progress.committedSent) progress.committedSent = committed;
    return committed;
  }

  /**
   * Behind an append under way there is an answer, and behind that the next append: only an idle peer needs a word. It
   * waits for one turn: who has just been answered often proposes again, and that append carries the news.
   */
  #announceCommit(id: ServerId, progress: Progress): void {
    const { log, header, output } = this.#server;
    if (progress.state !== 'replicate' || progress.window.size > 0) return;
    const news = Math.min(progress.match, log.committed);
    if (news <= progress.committedSent) return;
    if (news > progress.unannounced) {
      progress.unannounced = news;
      return output.requestAnotherTurn();
    }
    output.send(id, { kind: 'commit', ...header, committed: this.#noteCommitSent(progress, progress.match) });
  }

  #needSnapshot(id: ServerId, progress: Progress): void {
    progress.needsSnapshot();
    this.#server.report({ kind: 'needsSnapshot', peer: id });
    this.#server.output.snapshot({ kind: 'wanted', peer: id, stream: progress.stream });
  }
}
