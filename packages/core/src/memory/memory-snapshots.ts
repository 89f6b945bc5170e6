import { KontikiError } from '../errors.js';
import type { Owner } from '../ports/log-store.js';
import type { SnapshotInfo, SnapshotMeta, SnapshotStore, SnapshotWriter } from '../ports/snapshot-store.js';
import { admitSnapshot } from '../store/admission.js';
import { MAX_SNAPSHOT_CHUNK, SnapshotChecker } from '../wire/snapshot-checker.js';

interface Finished {
  readonly info: SnapshotInfo;
  readonly pieces: readonly Uint8Array[];
}

/** A snapshot that is not whole yet. */
class Unfinished {
  readonly meta: SnapshotMeta;
  readonly checker: SnapshotChecker;
  readonly pieces: Uint8Array[] = [];
  writer: MemoryWriter | undefined;

  constructor(meta: SnapshotMeta) {
    this.meta = meta;
    this.checker = new SnapshotChecker(meta);
  }
}

/**
 * Snapshots that live as long as this object: for tests, and for clusters that may forget. What is written counts as
 * durable at once; `close` and `open` on the same object find it again, a new object is blank.
 */
export class MemorySnapshots implements SnapshotStore {
  #owner: Owner | undefined;
  #open = false;
  readonly #finished = new Map<string, Finished>();
  readonly #unfinished = new Map<string, Unfinished>();

  async open(owner: Owner): Promise<void> {
    if (this.#open) throw new KontikiError('KONTIKI_LOCKED', 'These memory snapshots are open already.');
    const held = this.#owner ?? owner;
    if (held.cluster !== owner.cluster || held.server !== owner.server) {
      const text = `These snapshots are of server ${held.server} in cluster ${held.cluster}, not ${owner.server} in ${owner.cluster}.`;
      throw new KontikiError('KONTIKI_FOREIGN_DATA', text);
    }
    this.#owner = owner;
    this.#open = true;
  }

  async list(): Promise<readonly SnapshotInfo[]> {
    this.#check();
    return [...this.#finished.values()].map(({ info }) => info).sort((a, b) => b.last.index - a.last.index);
  }

  async *read(id: string, offset = 0): AsyncGenerator<Uint8Array, void> {
    this.#check();
    const finished = this.#finished.get(id);
    if (finished === undefined) throw new KontikiError('KONTIKI_NO_SNAPSHOT', `There is no snapshot ${id}.`);
    let at = 0;
    for (const piece of finished.pieces) {
      for (let from = Math.max(0, offset - at); from < piece.length; from += MAX_SNAPSHOT_CHUNK) {
        this.#check();
        yield piece.subarray(from, from + MAX_SNAPSHOT_CHUNK);
      }
      at += piece.length;
    }
  }

  async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
    this.#check();
    const begun = this.#unfinished.get(meta.id);
    admitSnapshot(meta, this.#owner as Owner, begun?.writer !== undefined);
    const unfinished = begun ?? new Unfinished(meta);
    for (const [id, { writer }] of this.#unfinished) if (writer === undefined) this.#unfinished.delete(id);
    this.#unfinished.set(meta.id, unfinished);
    unfinished.writer = new MemoryWriter(unfinished, (info) => {
      this.#unfinished.delete(meta.id);
      if (info !== undefined) this.#finished.set(meta.id, { info, pieces: unfinished.pieces });
    });
    return unfinished.writer;
  }

  async remove(id: string): Promise<void> {
    this.#check();
    this.#finished.delete(id);
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const unfinished of this.#unfinished.values()) {
      unfinished.writer?.detach();
      unfinished.writer = undefined;
    }
  }

  #check(): void {
    if (!this.#open) throw new KontikiError('KONTIKI_CLOSED', 'These memory snapshots are not open.');
  }
}

class MemoryWriter implements SnapshotWriter {
  readonly #unfinished: Unfinished;
  /** Called once: with what it has come to, or with nothing when it is to be forgotten. */
  readonly #ended: (info: SnapshotInfo | undefined) => void;
  /** What every later call is told. */
  #over: unknown;

  constructor(unfinished: Unfinished, ended: (info: SnapshotInfo | undefined) => void) {
    this.#unfinished = unfinished;
    this.#ended = ended;
  }

  get offset(): number {
    return this.#unfinished.checker.offset;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    this.#unlessDamaged(() => this.#unfinished.checker.write(bytes));
    this.#unfinished.pieces.push(bytes);
  }

  async sync(): Promise<void> {
    this.#check();
  }

  async finish(): Promise<SnapshotInfo> {
    this.#check();
    const { bytes } = this.#unlessDamaged(() => this.#unfinished.checker.end());
    const info = { ...this.#unfinished.meta, bytes };
    this.#over = new KontikiError('KONTIKI_CLOSED', `Snapshot ${info.id} is finished.`);
    this.#ended(info);
    return info;
  }

  async abort(): Promise<void> {
    if (this.#over === undefined) this.#forget(new KontikiError('KONTIKI_ABORTED', 'The snapshot was given up.'));
  }

  /** The store is closed: what is written stays. */
  detach(): void {
    this.#over ??= new KontikiError('KONTIKI_CLOSED', 'These memory snapshots are not open.');
  }

  #unlessDamaged<T>(look: () => T): T {
    try {
      return look();
    } catch (error) {
      this.#forget(error);
      throw error;
    }
  }

  #forget(why: unknown): void {
    this.#over = why;
    this.#ended(undefined);
  }

  #check(): void {
    if (this.#over !== undefined) throw this.#over;
  }
}
