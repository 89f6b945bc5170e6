import { KontikiError, type SnapshotInfo } from '@kontiki/core';
import type { SnapshotSink } from '@kontiki/core/store';
import type { File, Folder } from '@kontiki/files';
import { finishedName, unfinishedName } from './names.js';

/**
 * Writes the file of an unfinished snapshot. The file's name contains the number of durable bytes.
 * One piece is written in the background while the caller checks the next piece.
 */
export class FileSink implements SnapshotSink<string> {
  readonly #folder: Folder;
  readonly #file: File;
  readonly #id: string;
  #name: string;
  /** Number of durable bytes in the file. */
  #durable: number;
  /** Number of bytes written so far, including the write that `#written` waits for. */
  #end: number;
  #written: Promise<void> = Promise.resolve();

  /** `durable` is the number of bytes already in the file. */
  constructor(folder: Folder, file: File, id: string, durable: number) {
    this.#folder = folder;
    this.#file = file;
    this.#id = id;
    this.#name = unfinishedName(id, durable);
    this.#durable = this.#end = durable;
  }

  get location(): string {
    return this.#name;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#written;
    this.#written = this.#file.writeAsync(bytes, this.#end);
    this.#end += bytes.length;
    this.#written.catch(() => {
      // The next call to this sink reports the failure.
    });
  }

  async sync(): Promise<void> {
    const end = this.#end;
    await this.#written;
    if (end === this.#durable) return;
    await this.#file.datasync();
    await this.#rename(unfinishedName(this.#id, end));
    this.#durable = end;
  }

  async finish(info: SnapshotInfo): Promise<string> {
    await this.#written;
    // An earlier attempt may have written more bytes than this snapshot has.
    if ((await this.#file.size()) !== info.bytes) {
      throw new KontikiError(
        'KONTIKI_CORRUPT',
        `The file of snapshot ${info.id} is longer than the snapshot. The file is removed. Create the snapshot again.`,
      );
    }
    await this.#file.datasync();
    await this.#file.close();
    await this.#rename(finishedName(info));
    return this.#name;
  }

  async close(): Promise<void> {
    // The system may reuse a closed file descriptor, so the file must stay open while a write is in
    // progress.
    await this.#written.catch(() => {});
    await this.#file.close();
  }

  async #rename(name: string): Promise<void> {
    await this.#folder.rename(this.#name, name);
    this.#name = name;
    await this.#folder.sync();
  }
}
