import { KontikiError, type SnapshotInfo, type SnapshotMeta, type SnapshotWriter } from '@kontiki/core';
import { WriterCalls } from '@kontiki/core/store';
import { MAX_SNAPSHOT_CHUNK, SnapshotChecker } from '@kontiki/core/wire';
import type { File, Folder } from '@kontiki/files';
import { failure, notOpen } from './failure.js';
import { finishedName, unfinishedName } from './names.js';

/** What a writer tells its store, once. */
export interface Ending {
  /** `info`: it is finished, under its name; otherwise it is forgotten. */
  (info: SnapshotInfo | undefined): void;
}

/**
 * A snapshot that is being written: a file whose name says how much of it is durable. The system writes one piece while
 * the next one is checked.
 */
export class FileWriter implements SnapshotWriter {
  readonly #folder: Folder;
  readonly #meta: SnapshotMeta;
  readonly #ended: Ending;
  readonly #checker: SnapshotChecker;
  readonly #file: File;
  readonly #calls: WriterCalls;
  /** Bytes that are durable, as the file's name says. */
  #durable: number;
  /** Bytes that are written, or are being: then this resolves when they are. */
  #end: number;
  #written: Promise<void> = Promise.resolve();

  private constructor(folder: Folder, meta: SnapshotMeta, ended: Ending, at: Place) {
    this.#folder = folder;
    this.#meta = meta;
    this.#ended = ended;
    this.#checker = at.checker;
    this.#file = at.file;
    this.#durable = this.#end = at.checker.offset;
    this.#calls = new WriterCalls({
      id: meta.id,
      failure: (error) => failure(`snapshot ${meta.id} in ${folder.path}`, error),
      forget: () => this.#forget(),
    });
  }

  /** Begins a file, or goes on with the one of which `durable` bytes are. Damaged ones begin anew. */
  static async open(folder: Folder, meta: SnapshotMeta, durable: number, ended: Ending): Promise<FileWriter> {
    const resumed = durable > 0 ? await resume(folder, meta, durable) : undefined;
    const at = resumed ?? {
      file: await folder.create(unfinishedName(meta.id, 0)),
      checker: new SnapshotChecker(meta),
    };
    return new FileWriter(folder, meta, ended, at);
  }

  get offset(): number {
    return this.#checker.offset;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#calls.run(async () => {
      this.#checker.write(bytes);
      await this.#written;
      this.#written = this.#file.writeAsync(bytes, this.#end);
      this.#end += bytes.length;
      this.#written.catch(() => {
        // Told by the next call, whichever it is.
      });
    });
  }

  sync(): Promise<void> {
    return this.#calls.run(async () => {
      const end = this.#end;
      await this.#written;
      if (end === this.#durable) return;
      await this.#file.datasync();
      await this.#folder.rename(this.#name, unfinishedName(this.#meta.id, end));
      this.#durable = end;
      await this.#folder.sync();
    });
  }

  finish(): Promise<SnapshotInfo> {
    return this.#calls.run(async () => {
      const { bytes } = this.#checker.end();
      await this.#written;
      // What a life before this one has written stands there, too.
      if ((await this.#file.size()) !== bytes) {
        throw new KontikiError('KONTIKI_CORRUPT', `Snapshot ${this.#meta.id} ends before what was written of it once.`);
      }
      await this.#file.datasync();
      await this.#file.close();
      const name = finishedName(this.#meta);
      await this.#folder.rename(this.#name, name);
      await this.#folder.sync().catch(async (error: unknown) => {
        await this.#folder.remove(name).catch(() => {});
        throw error;
      });
      const info = { ...this.#meta, bytes };
      this.#calls.finished();
      this.#ended(info);
      return info;
    });
  }

  abort(): Promise<void> {
    return this.#calls.abort();
  }

  /** The store closes: what is written stays. Resolves when nothing is under way any more. */
  async detach(): Promise<void> {
    await this.#calls.detach(notOpen());
    await this.#close();
  }

  get #name(): string {
    return unfinishedName(this.#meta.id, this.#durable);
  }

  /** Not while it is written: the system may give the file's number to another one. */
  async #close(): Promise<void> {
    await this.#written.catch(() => {});
    await this.#file.close();
  }

  /** Takes the file away, so that it keeps no disk full. One that cannot be is taken away by the next start. */
  async #forget(): Promise<void> {
    await this.#close().catch(() => {});
    await this.#folder.remove(this.#name).catch(() => {});
    this.#ended(undefined);
  }
}

interface Place {
  readonly file: File;
  readonly checker: SnapshotChecker;
}

/** The file that is there, checked as far as it is durable; undefined when it is damaged, and gone then. */
async function resume(folder: Folder, meta: SnapshotMeta, durable: number): Promise<Place | undefined> {
  const name = unfinishedName(meta.id, durable);
  const checker = new SnapshotChecker(meta);
  const file = await folder.open(name);
  try {
    while (checker.offset < durable) {
      const bytes = await file.read(checker.offset, Math.min(MAX_SNAPSHOT_CHUNK, durable - checker.offset));
      if (bytes.length === 0) break;
      checker.write(bytes);
    }
    if (checker.offset === durable) return { file, checker };
  } catch {
    // Damaged, or another one's: both begin anew.
  }
  await file.close();
  await folder.remove(name);
  return undefined;
}
