import { isKontikiError, KontikiError } from '../errors.js';
import { checkId } from '../id.js';
import type { Owner } from '../ports/log-store.js';
import type { SnapshotInfo, SnapshotMeta, SnapshotStore, SnapshotWriter } from '../ports/snapshot-store.js';
import { MAX_SNAPSHOT_CHUNK, SnapshotChecker } from '../wire/snapshot-checker.js';
import { encodeSnapshotHead } from '../wire/snapshot-head.js';
import { checkOwner } from './check-owner.js';
import { isDiskFull, messageOf, storeFailure } from './failure.js';
import { Lifecycle } from './lifecycle.js';
import { StoreWriter, type SnapshotSink } from './store-writer.js';

/** A finished snapshot in a store. */
export interface FinishedSnapshot<Location> {
  readonly info: SnapshotInfo;
  readonly location: Location;
}

/** An unfinished snapshot in a store, which a new writer can resume. */
export interface UnfinishedSnapshot<Location> {
  readonly id: string;
  readonly location: Location;
  /** Number of bytes of the snapshot that are durable. */
  readonly bytes: number;
}

/** The snapshots that a store found when it was opened. */
export interface OpenedSnapshots<Location> {
  readonly finished: Iterable<FinishedSnapshot<Location>>;
  readonly unfinished: Iterable<UnfinishedSnapshot<Location>>;
}

/** A finished snapshot and the number of its readers. */
interface Held<Location> extends FinishedSnapshot<Location> {
  readers: number;
  /**
   * Whether the snapshot has been removed or replaced. Readers that have already started may
   * continue.
   */
  isRemoved: boolean;
}

type Pieces = AsyncGenerator<Uint8Array, void>;

/** The snapshots of an open store, with their writers and readers. */
interface Opened<Location> {
  readonly owner: Owner;
  readonly finished: Map<string, Held<Location>>;
  readonly unfinished: Map<string, UnfinishedSnapshot<Location>>;
  /** Writers by snapshot id. The value is undefined while the writer is being created. */
  readonly writers: Map<string, StoreWriter<Location> | undefined>;
  readonly readers: Set<Pieces>;
  /**
   * A promise that resolves when the latest change to the stored snapshots has finished or failed.
   */
  changes: Promise<void>;
}

/**
 * The base class of snapshot stores for any storage medium. The public methods check the state of
 * the store and their arguments. They maintain the list of snapshots, check every byte that is
 * written or resumed, and let `close` wait for every call. A store extends this class and
 * implements the protected methods whose names start with `_`. They define its format and recovery.
 *
 * A `Location` identifies the bytes of one snapshot in the store, for example a file name. Errors
 * caused by a full disk become errors with the code `KONTIKI_DISK_FULL`, and `_failure` converts
 * all other errors.
 */
export abstract class AbstractSnapshots<Location> implements SnapshotStore {
  readonly #life = new Lifecycle<Opened<Location>>(() => `The snapshot store in ${this._where}`);

  /** The location of the snapshots, such as a path, for error messages. */
  protected abstract get _where(): string;

  /**
   * Finds the stored snapshots, and removes leftovers that are neither readable nor resumable.
   * Resolves when all the data that it found is durable. Rejects with `KONTIKI_FOREIGN_DATA`
   * (`checkOwner`) or `KONTIKI_LOCKED`. Before it rejects, it must release all resources that it
   * opened.
   */
  protected abstract _open(owner: Owner): Promise<OpenedSnapshots<Location>>;

  /**
   * Creates an unfinished snapshot. If `resumed` is set, instead continues that snapshot after its
   * first `bytes` bytes, which the caller has checked.
   */
  protected abstract _create(
    meta: SnapshotMeta,
    resumed: UnfinishedSnapshot<Location> | undefined,
  ): Promise<SnapshotSink<Location>>;

  /**
   * Reads a finished or unfinished snapshot from byte `offset` to byte `end`, in pieces of any
   * size. The read must continue if the snapshot is removed or replaced. When `return` is called,
   * the generator must release all resources that it opened.
   */
  protected abstract _read(location: Location, offset: number, end: number): AsyncGenerator<Uint8Array, void>;

  /**
   * Removes a finished or unfinished snapshot. Resolves when it is certain that no later `_open`
   * will find the snapshot.
   */
  protected abstract _remove(location: Location): Promise<void>;

  /**
   * Frees the bytes of a removed or replaced snapshot that has no readers left. Only needed by
   * stores in which `_remove` cannot free bytes during a read. Errors are ignored, so the next
   * `_open` must free any bytes that are left.
   */
  protected async _free(_location: Location): Promise<void> {}

  /**
   * Releases all resources that `_open` opened. Called once per `_open`, when no other call is in
   * progress.
   */
  protected abstract _close(): Promise<void>;

  /**
   * Converts an error that is not a `KontikiError`. `action` describes the failed action, for
   * example "write snapshot x in /data/a".
   */
  protected _failure(action: string, error: unknown): KontikiError {
    return storeFailure(action, error);
  }

  async open(owner: Owner): Promise<void> {
    checkId('cluster', owner.cluster);
    checkId('server', owner.server);
    await this.#life.open(async () => {
      let found: OpenedSnapshots<Location>;
      try {
        found = await this._open(owner);
      } catch (error) {
        throw isKontikiError(error) ? error : this._failure(`open the snapshot store in ${this._where}`, error);
      }
      const finished = [...found.finished].map((snapshot) => [snapshot.info.id, held(snapshot)] as const);
      const unfinished = [...found.unfinished].map((snapshot) => [snapshot.id, snapshot] as const);
      return {
        owner,
        finished: new Map(finished),
        unfinished: new Map(unfinished),
        writers: new Map(),
        readers: new Set(),
        changes: Promise.resolve(),
      };
    });
  }

  async list(): Promise<readonly SnapshotInfo[]> {
    const infos = [...this.#life.opened.finished.values()].map(({ info }) => info);
    return infos.sort((a, b) => b.last.index - a.last.index);
  }

  async *read(id: string, offset = 0): AsyncGenerator<Uint8Array, void> {
    const opened = this.#life.opened;
    const snapshot = opened.finished.get(id);
    if (snapshot === undefined) throw new KontikiError('KONTIKI_NO_SNAPSHOT', `There is no snapshot ${id}.`);
    const { info, location } = snapshot;
    const pieces = this._read(location, offset, info.bytes);
    snapshot.readers += 1;
    opened.readers.add(pieces);
    // Read the next piece while the caller is using the current one.
    let ahead = this.#nextPiece(opened, pieces);
    try {
      let at = offset;
      for (let piece = await ahead; piece.done !== true; piece = await ahead) {
        ahead = this.#nextPiece(opened, pieces);
        at += piece.value.length;
        for (let from = 0; from < piece.value.length; from += MAX_SNAPSHOT_CHUNK) {
          yield piece.value.subarray(from, from + MAX_SNAPSHOT_CHUNK);
          this.#checkOpen(opened);
        }
      }
      if (at < info.bytes) {
        throw new KontikiError(
          'KONTIKI_CORRUPT',
          `Snapshot ${id} in ${this._where} ends at byte ${at}, but it had ${info.bytes} bytes. Remove the snapshot.`,
        );
      }
    } catch (error) {
      throw this.#failure(`read snapshot ${id}`, error);
    } finally {
      opened.readers.delete(pieces);
      await Promise.allSettled([ahead, pieces.return()]);
      snapshot.readers -= 1;
      this.#freeUnread(opened, snapshot);
    }
  }

  async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
    const opened = this.#life.opened;
    const { owner, writers } = opened;
    // Encode the description in order to validate it. This is necessary because the store may use
    // the id in a file name.
    encodeSnapshotHead(meta);
    checkOwner(`Snapshot ${meta.id}`, { cluster: meta.cluster }, owner);
    if (writers.has(meta.id)) {
      throw new KontikiError('KONTIKI_LOCKED', `Snapshot ${meta.id} has a writer already. Finish or abort it first.`);
    }
    writers.set(meta.id, undefined);
    try {
      return await this.#change(opened, () => this.#createWriter(opened, meta));
    } catch (error) {
      writers.delete(meta.id);
      throw this.#failure(`write snapshot ${meta.id}`, error);
    }
  }

  async remove(id: string): Promise<void> {
    const opened = this.#life.opened;
    const { finished } = opened;
    await this.#change(opened, async () => {
      const snapshot = finished.get(id);
      if (snapshot === undefined) return;
      finished.delete(id);
      try {
        await this._remove(snapshot.location);
      } catch (error) {
        // Keep the snapshot in the list, because it may still exist. The caller can call `remove`
        // again.
        finished.set(id, snapshot);
        throw this.#failure(`remove snapshot ${id}`, error);
      }
      snapshot.isRemoved = true;
      this.#freeUnread(opened, snapshot);
    });
  }

  close(): Promise<void> {
    return this.#life.close(async ({ writers, readers }) => {
      // Close the store even if a writer or a reader fails to stop.
      const ended = await Promise.allSettled([
        ...[...writers.values()].map(async (writer) => writer?.detach(this.#closedError())),
        ...[...readers].map((pieces) => pieces.return()),
      ]);
      ended.push(...(await Promise.allSettled([this._close()])));
      const failed = ended.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw this.#failure('close the snapshots', failed.reason);
    });
  }

  /** Runs changes to the stored snapshots one at a time, in call order. */
  #change<T>(opened: Opened<Location>, change: () => Promise<T>): Promise<T> {
    const changed = opened.changes.then(change);
    opened.changes = changed.then(
      () => {},
      () => {},
    );
    return this.#life.track(changed);
  }

  async #createWriter(opened: Opened<Location>, meta: SnapshotMeta): Promise<StoreWriter<Location>> {
    const { finished, unfinished, writers } = opened;
    const found = unfinished.get(meta.id);
    for (const other of unfinished.values()) {
      if (other === found) continue;
      await this.#discard(other.location);
      unfinished.delete(other.id);
    }
    const checked = found === undefined ? undefined : await this.#checkUnfinished(meta, found);
    if (found !== undefined && checked === undefined) await this.#discard(found.location);
    const sink = await this._create(meta, checked === undefined ? undefined : found);
    unfinished.delete(meta.id);
    const writer = new StoreWriter({
      meta,
      checker: checked ?? new SnapshotChecker(meta),
      sink,
      failure: (error) => this.#failure(`write snapshot ${meta.id}`, error),
      finish: (info) => this.#change(opened, () => this.#finish(opened, info, sink)),
      onDiscarded: async () => {
        await this.#change(opened, async () => {
          // Before it failed, the store may have replaced a finished snapshot at the same location.
          if (finished.get(meta.id)?.location === sink.location) finished.delete(meta.id);
          // If this removal fails, the next `open` removes the snapshot.
          await this.#discard(sink.location).catch(() => {});
          writers.delete(meta.id);
        });
      },
    });
    writers.set(meta.id, writer);
    return writer;
  }

  async #finish(opened: Opened<Location>, info: SnapshotInfo, sink: SnapshotSink<Location>): Promise<void> {
    const replaced = opened.finished.get(info.id);
    const location = await sink.finish(info, replaced?.location);
    opened.writers.delete(info.id);
    opened.finished.set(info.id, held({ info, location }));
    if (replaced === undefined) return;
    replaced.isRemoved = true;
    this.#freeUnread(opened, replaced);
  }

  /**
   * Checks all bytes of an unfinished snapshot. Resolves with undefined if the snapshot cannot be
   * resumed.
   */
  async #checkUnfinished(
    meta: SnapshotMeta,
    { location, bytes }: UnfinishedSnapshot<Location>,
  ): Promise<SnapshotChecker | undefined> {
    const checker = new SnapshotChecker(meta);
    try {
      for await (const piece of this._read(location, 0, bytes)) checker.write(piece);
    } catch (error) {
      if (!isKontikiError(error)) throw error;
      // The bytes are damaged, or belong to a snapshot other than the one that `meta` describes.
      return undefined;
    }
    return checker.offset === bytes ? checker : undefined;
  }

  async #discard(location: Location): Promise<void> {
    await this._remove(location);
    await this._free(location);
  }

  #freeUnread(opened: Opened<Location>, snapshot: Held<Location>): void {
    if (!snapshot.isRemoved || snapshot.readers > 0 || !this.#life.isOpen(opened)) return;
    this.#life.track(this._free(snapshot.location)).catch(() => {});
  }

  #nextPiece(opened: Opened<Location>, pieces: Pieces): Promise<IteratorResult<Uint8Array, void>> {
    const isOpen = this.#life.isOpen(opened);
    const piece = isOpen ? this.#life.track(pieces.next()) : Promise.reject(this.#closedError());
    // The caller receives this error when it requests the piece.
    piece.catch(() => {});
    return piece;
  }

  #checkOpen(opened: Opened<Location>): void {
    if (!this.#life.isOpen(opened)) throw this.#closedError();
  }

  #closedError(): KontikiError {
    return new KontikiError('KONTIKI_CLOSED', `The snapshot store in ${this._where} was closed.`);
  }

  #failure(action: string, error: unknown): KontikiError {
    const where = `${action} in ${this._where}`;
    if (isKontikiError(error)) return error;
    if (!isDiskFull(error)) return this._failure(where, error);
    return new KontikiError(
      'KONTIKI_DISK_FULL',
      `Cannot ${where}: the disk is full (${messageOf(error)}). Finished snapshots are kept. Free some space and try again.`,
      { cause: error },
    );
  }
}

function held<Location>(snapshot: FinishedSnapshot<Location>): Held<Location> {
  return { ...snapshot, readers: 0, isRemoved: false };
}
