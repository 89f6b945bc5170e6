import { FolderLockedError, type File, type Folder, type Lock } from '@kontiki/files';
import { Inode } from './inode.js';

/** An operation that a store performs on a disk. */
export interface DiskOperation {
  readonly kind: 'list' | 'open' | 'create' | 'rename' | 'remove' | 'sync' | 'write' | 'datasync' | 'read' | 'allocate';
  /** Name of the file. Empty for operations on the folder. */
  readonly name: string;
  /** Whether a write extends the file and therefore needs space. Undefined for other operations. */
  readonly grows?: boolean | undefined;
}

/**
 * Kind of crash. After a process crash, unsynced writes are still readable, but not durable. A
 * power cut loses some or all of them.
 */
export type Crash = 'process' | 'power';

export interface SimulatedDiskOptions {
  /**
   * Returns a random number in [0, 1). These numbers decide which unsynced writes survive a power
   * cut. Default: no unsynced writes survive.
   */
  readonly random?: (() => number) | undefined;
  /** Called before each operation. If it returns an error, the operation fails with that error. */
  readonly fail?: ((operation: DiskOperation) => Error | undefined) | undefined;
  /** Returns a promise that an asynchronous operation awaits before it ends. */
  readonly delay?: ((operation: DiskOperation) => Promise<void>) | undefined;
  /**
   * Returns true to make a sync resolve without syncing, so that a test can check whether this is
   * detected.
   */
  readonly lies?: ((operation: DiskOperation) => boolean) | undefined;
}

type Names = Map<string, Inode>;

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/**
 * A folder in memory, on a simulated disk that can crash. It implements the `Folder` of
 * `@kontiki/files`.
 *
 * A power cut keeps all synced writes. It keeps none of the unsynced writes, or the oldest ones, or
 * random sectors of 512 bytes. As on real disks, file names are stored separately from file
 * contents. `create`, `rename` and `remove` become durable with `Folder.sync`. A power cut keeps a
 * random number of the oldest unsynced name changes. A process crash loses nothing, but makes
 * nothing durable.
 *
 * Folders and files opened before a crash belong to a dead process. Calls on them change nothing,
 * and their promises never settle.
 */
export class SimulatedDisk {
  readonly #options: SimulatedDiskOptions;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  /** Name changes that are not durable yet, oldest first. */
  #unsyncedNames: ((names: Names) => void)[] = [];
  /** Number of name changes that are durable. */
  #syncedNames = 0;
  #life = 0;
  #locks = new Set<string>();
  /** Number of disk operations performed so far. */
  operations = 0;
  /** A scheduled crash, which happens just before the operation with this number. */
  crashAt: { readonly operation: number; readonly kind: Crash } | undefined;
  /** Called after each process crash or power cut. */
  onCrash: () => void = () => {};

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options;
  }

  /** The folder as the current process sees it. The process runs until the next crash. */
  get folder(): Folder {
    return new SimulatedFolder(this, this.#life);
  }

  /** Crashes the process or cuts the power. */
  crash(kind: Crash): void {
    this.#life += 1;
    this.#locks = new Set();
    this.crashAt = undefined;
    if (kind === 'power') this.#cutPower(this.#options.random ?? ((): number => 0));
    this.onCrash();
  }

  /** Returns a file's current contents, including unsynced writes. */
  contents(name: string): Uint8Array {
    const inode = this.#inode(name);
    return inode.read(0, inode.length);
  }

  /** Durably replaces a file's contents without the store's knowledge, to simulate damage. */
  overwrite(name: string, contents: Uint8Array): void {
    this.#inode(name).overwrite(contents);
  }

  /**
   * Flips a random bit durably. Spares the bytes that a file's newest sync made durable, because no
   * store can distinguish damage to them from a torn write. Returns the file name and offset as
   * text, or undefined if the randomly chosen file has no older bytes.
   */
  flipBit(random: () => number): string | undefined {
    const names = [...this.#durableNames];
    const [name, inode] = names[Math.floor(random() * names.length)] ?? [];
    const offset = inode?.flipBit(random);
    return offset === undefined ? undefined : `${name}, byte ${offset}`;
  }

  /**
   * Returns a new disk that has only the durable contents of this disk, as after the worst possible
   * power cut.
   */
  durableCopy(): SimulatedDisk {
    const copy = new SimulatedDisk();
    for (const [name, { durable }] of this.#durableNames) copy.#durableNames.set(name, new Inode(durable));
    copy.#names = new Map(copy.#durableNames);
    return copy;
  }

  /** Cuts the power and replaces the disk with an empty one. */
  wipe(): void {
    this.crash('power');
    this.#names = new Map();
    this.#durableNames = new Map();
  }

  /** The file names that a process sees, durable or not. */
  get names(): string[] {
    return [...this.#names.keys()];
  }

  /**
   * @internal Counts an operation. Throws if the operation must fail, and crashes if a crash is
   * due. Returns false if the calling process is dead.
   */
  enter(life: number, operation: DiskOperation): boolean {
    if (life !== this.#life) return false;
    this.operations += 1;
    if (this.crashAt?.operation === this.operations) {
      this.crash(this.crashAt.kind);
      return false;
    }
    const error = this.#options.fail?.(operation);
    if (error !== undefined) throw error;
    return true;
  }

  /**
   * @internal Runs an asynchronous operation. Calls `start` immediately. After the delay, calls the
   * function that `start` returned.
   */
  async run<T>(life: number, operation: DiskOperation, start: () => () => T): Promise<T> {
    if (!this.enter(life, operation)) return never();
    const end = start();
    await this.#options.delay?.(operation);
    if (life !== this.#life) return never();
    const lies = this.#options.lies?.(operation) === true;
    return lies ? (undefined as T) : end();
  }

  /** @internal */
  changeNames(change: (names: Names) => void): void {
    change(this.#names);
    this.#unsyncedNames.push(change);
  }

  /** @internal Makes the first `changes` name changes durable. */
  syncNames(changes: number): void {
    const synced = this.#unsyncedNames.splice(0, Math.max(0, changes - this.#syncedNames));
    this.#syncedNames += synced.length;
    for (const change of synced) change(this.#durableNames);
  }

  /** @internal Number of name changes so far, durable or not. */
  get changesOfNames(): number {
    return this.#syncedNames + this.#unsyncedNames.length;
  }

  /** @internal */
  find(name: string): Inode | undefined {
    return this.#names.get(name);
  }

  /** @internal */
  async lock(life: number, use: string): Promise<Lock> {
    if (life !== this.#life) return never();
    if (this.#locks.has(use)) throw new FolderLockedError(`The simulated folder is already in use (${use}).`);
    const locks = this.#locks.add(use);
    return { release: async () => void (life === this.#life && locks.delete(use)) };
  }

  #inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw new Error(`there is no file ${name}`);
    return inode;
  }

  #cutPower(random: () => number): void {
    const kept = Math.floor(random() * (this.#unsyncedNames.length + 1));
    this.syncNames(this.#syncedNames + kept);
    this.#unsyncedNames = [];
    this.#names = new Map(this.#durableNames);
    for (const inode of this.#names.values()) inode.cutPower(random);
  }
}

class SimulatedFolder implements Folder {
  readonly path = 'disk';
  readonly #disk: SimulatedDisk;
  readonly #life: number;

  constructor(disk: SimulatedDisk, life: number) {
    this.#disk = disk;
    this.#life = life;
  }

  list(): Promise<string[]> {
    return this.#run('list', '', () => () => this.#disk.names);
  }

  open(name: string): Promise<File> {
    return this.#run('open', name, () => () => {
      const inode = this.#disk.find(name);
      if (inode === undefined) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' });
      return new SimulatedFile(this.#disk, this.#life, name, inode);
    });
  }

  create(name: string): Promise<File> {
    return this.#run('create', name, () => () => {
      if (this.#disk.find(name) !== undefined)
        throw Object.assign(new Error(`${name} already exists`), { code: 'EEXIST' });
      const inode = new Inode();
      this.#disk.changeNames((names) => names.set(name, inode));
      return new SimulatedFile(this.#disk, this.#life, name, inode);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run('rename', from, () => () => {
      this.#disk.changeNames((names) => {
        const inode = names.get(from);
        if (inode === undefined) return;
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  remove(name: string): Promise<void> {
    return this.#run('remove', name, () => () => this.#disk.changeNames((names) => names.delete(name)));
  }

  sync(): Promise<void> {
    return this.#run('sync', '', () => {
      const changes = this.#disk.changesOfNames;
      return () => this.#disk.syncNames(changes);
    });
  }

  lock(use: string): Promise<Lock> {
    return this.#disk.lock(this.#life, use);
  }

  #run<T>(kind: DiskOperation['kind'], name: string, begin: () => () => T): Promise<T> {
    return this.#disk.run(this.#life, { kind, name }, begin);
  }
}

class SimulatedFile implements File {
  readonly #disk: SimulatedDisk;
  readonly #life: number;
  readonly #name: string;
  readonly #inode: Inode;

  constructor(disk: SimulatedDisk, life: number, name: string, inode: Inode) {
    this.#disk = disk;
    this.#life = life;
    this.#name = name;
    this.#inode = inode;
  }

  async size(): Promise<number> {
    return this.#inode.length;
  }

  write(bytes: Uint8Array, offset: number): void {
    // A dead process must not write anything.
    if (this.#disk.enter(this.#life, this.#writing(bytes, offset))) this.#inode.write(offset, bytes);
  }

  /**
   * Write the buffer's contents as they are at the end of the operation. This exposes a store that
   * reuses the buffer too early, or that syncs before the write has finished.
   */
  writeAsync(bytes: Uint8Array, offset: number): Promise<void> {
    return this.#disk.run(this.#life, this.#writing(bytes, offset), () => () => this.#inode.write(offset, bytes));
  }

  async datasync(): Promise<void> {
    try {
      await this.#run('datasync', () => {
        const writes = this.#inode.writes;
        return () => this.#inode.sync(writes);
      });
    } catch (error) {
      this.#inode.drop();
      throw error;
    }
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#run('read', () => () => this.#inode.read(offset, length));
  }

  allocate(size: number): Promise<void> {
    return this.#run('allocate', () => () => {
      const { length } = this.#inode;
      if (size > length) this.#inode.write(length, new Uint8Array(size - length));
      this.#inode.sync(Infinity);
    });
  }

  async close(): Promise<void> {}

  #writing(bytes: Uint8Array, offset: number): DiskOperation {
    return { kind: 'write', name: this.#name, grows: offset + bytes.length > this.#inode.length };
  }

  #run<T>(kind: DiskOperation['kind'], begin: () => () => T): Promise<T> {
    return this.#disk.run(this.#life, { kind, name: this.#name }, begin);
  }
}
