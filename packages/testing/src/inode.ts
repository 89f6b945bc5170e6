/** A write that is not durable yet. */
interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The bytes that the write replaced. A power cut may restore them. */
  readonly before: Uint8Array;
  /** Length of the file in bytes before the write. */
  readonly lengthBefore: number;
}

/** A range of bytes from `from` (inclusive) to `to` (exclusive). */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Size in bytes of a sector, which a disk writes atomically. */
const SECTOR = 512;

/**
 * The contents of a simulated file. Processes can read all bytes that were written. A power cut may
 * undo writes that are not synced.
 */
export class Inode {
  #bytes: Uint8Array;
  #length: number;
  /** Writes that are not durable yet, oldest first. */
  #unsynced: Write[] = [];
  /** Number of writes that have been synced, or dropped by a failed sync. */
  #settled = 0;
  /**
   * The durable contents after a failed sync. A failed sync drops writes that processes can still
   * read, so these contents exclude them. Undefined until a sync fails, because undoing the
   * unsynced writes then gives the durable contents.
   */
  #platter: Inode | undefined;
  /**
   * Ranges of bytes that the newest sync made durable. Damage to these bytes cannot be
   * distinguished from a torn write.
   */
  #lastSynced: readonly Range[] = [];

  constructor(contents: Uint8Array = new Uint8Array(0)) {
    this.#bytes = contents.slice();
    this.#length = contents.length;
  }

  /** Durably replaces the file's contents. */
  overwrite(contents: Uint8Array): void {
    this.#bytes = contents.slice();
    this.#length = contents.length;
    this.#unsynced = [];
    this.#platter = undefined;
  }

  get length(): number {
    return this.#length;
  }

  /** Number of writes so far. */
  get writes(): number {
    return this.#settled + this.#unsynced.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#length), Math.min(this.#length, offset + length));
  }

  write(offset: number, bytes: Uint8Array): void {
    const before = this.read(offset, bytes.length);
    this.#unsynced.push({ offset, bytes: bytes.slice(), before, lengthBefore: this.#length });
    this.#put(offset, bytes);
  }

  /** Makes the first `writes` writes durable. */
  sync(writes: number): void {
    const synced = this.#unsynced.splice(0, Math.max(0, writes - this.#settled));
    this.#settled += synced.length;
    if (synced.length > 0) this.#lastSynced = synced.map(rangeOf);
    const platter = this.#platter;
    if (platter !== undefined) for (const { offset, bytes } of synced) platter.#put(offset, bytes);
  }

  /**
   * Drops the unsynced writes after a failed sync. As on Linux, they stay readable, but no later
   * sync makes them durable.
   */
  drop(): void {
    this.#platter ??= new Inode(this.durable);
    this.#settled += this.#unsynced.length;
    this.#unsynced = [];
  }

  /** Returns the contents after a power cut that loses all unsynced writes. */
  get durable(): Uint8Array {
    if (this.#platter !== undefined) return this.#platter.durable;
    const copy = new Inode(this.read(0, this.#length));
    copy.#unsynced = [...this.#unsynced];
    copy.#undoUnsynced();
    return copy.read(0, copy.#length);
  }

  /**
   * Cuts the power. Of the unsynced writes, either none survive, or the oldest ones survive, or
   * random sectors survive.
   */
  cutPower(random: () => number): void {
    const lost = this.#undoUnsynced();
    const mode = random();
    if (mode < 1 / 3) return;
    for (const { offset, bytes } of lost) {
      if (mode < 2 / 3 && random() < 0.5) break;
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + SECTOR - ((offset + at) % SECTOR));
        if (mode < 2 / 3 || random() < 0.5) this.#put(offset + at, bytes.subarray(at, end));
        at = end;
      }
    }
  }

  /**
   * Flips a bit that was already durable before the newest sync, preferably in a nonzero byte.
   * Returns the byte's offset, or undefined if no byte was durable before that sync.
   */
  flipBit(random: () => number): number | undefined {
    const unsafe = [...this.#lastSynced, ...this.#unsynced.map(rangeOf)];
    let found: number | undefined;
    for (let tries = 0; tries < 32 && (found === undefined || this.#bytes[found] === 0); tries += 1) {
      const at = Math.floor(random() * this.#length);
      if (at < this.#length && !unsafe.some(({ from, to }) => at >= from && at < to)) found = at;
    }
    if (found !== undefined) this.#bytes[found] = (this.#bytes[found] as number) ^ (1 << Math.floor(random() * 8));
    return found;
  }

  /** Undoes all unsynced writes and returns them. */
  #undoUnsynced(): Write[] {
    const lost = this.#unsynced;
    this.#unsynced = [];
    if (this.#platter !== undefined) {
      this.#bytes = this.#platter.#bytes;
      this.#length = this.#platter.#length;
      this.#platter = undefined;
      return lost;
    }
    for (const { offset, before, lengthBefore } of [...lost].reverse()) {
      this.#bytes.set(before, offset);
      this.#bytes.fill(0, lengthBefore, this.#length);
      this.#length = lengthBefore;
    }
    return lost;
  }

  #put(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
    this.#length = Math.max(this.#length, end);
  }
}

function rangeOf({ offset, bytes }: Write): Range {
  return { from: offset, to: offset + bytes.length };
}
