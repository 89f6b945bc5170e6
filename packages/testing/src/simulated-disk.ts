import { FolderLockedError, type File, type Folder, type Lock } from '@kontiki/files';
import { Inode } from './inode.js';

/** What a store asks of a disk. */
export interface DiskOperation {
  readonly kind: 'list' | 'open' | 'create' | 'rename' | 'remove' | 'sync' | 'write' | 'datasync' | 'read' | 'allocate';
  /** The file; empty for what concerns the folder. */
  readonly name: string;
  /** Of a write: whether it makes the file longer, and so needs room. */
  readonly grows?: boolean | undefined;
}

/** Of the process: what was not synced stays readable, and unsynced. Of power: it goes, or a part of it does. */
export type Crash = 'process' | 'power';

export interface SimulatedDiskOptions {
  /** Uniform in [0, 1): what survives a power cut. Default: nothing does that was not synced. */
  readonly random?: (() => number) | undefined;
  /** Called before each operation; an error it returns is the operation's. */
  readonly fail?: ((operation: DiskOperation) => Error | undefined) | undefined;
  /** Awaited before an asynchronous operation ends. */
  readonly delay?: ((operation: DiskOperation) => Promise<void>) | undefined;
  /** Syncs that say they are done and did nothing: to show that a check would notice. */
  readonly lies?: ((operation: DiskOperation) => boolean) | undefined;
}

type Names = Map<string, Inode>;

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

/**
 * One folder on a disk that can crash, in memory: what is synced stays, what is not is at the mercy of the crash. What
 * a store had opened before a crash is dead: its calls never end, as those of a dead process.
 */
export class SimulatedDisk {
  readonly #options: SimulatedDiskOptions;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  /** Changes of names that are not durable yet, oldest first. */
  #unsyncedNames: ((names: Names) => void)[] = [];
  /** How many are. */
  #syncedNames = 0;
  #life = 0;
  #locks = new Set<string>();
  /** Operations so far. */
  operations = 0;
  /** Crashes before the operation of this number. */
  crashAt: { readonly operation: number; readonly kind: Crash } | undefined;
  /** Called when it has crashed. */
  onCrash: () => void = () => {};

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options;
  }

  /** The folder, for the process that lives now. */
  get folder(): Folder {
    return new SimulatedFolder(this, this.#life);
  }

  crash(kind: Crash): void {
    this.#life += 1;
    this.#locks = new Set();
    this.crashAt = undefined;
    if (kind === 'power') this.#cutPower(this.#options.random ?? ((): number => 0));
    this.onCrash();
  }

  /** A file's contents, as a process would read them. */
  contents(name: string): Uint8Array {
    const inode = this.#inode(name);
    return inode.read(0, inode.length);
  }

  /** Puts contents there, durably, behind everybody's back: damage. */
  overwrite(name: string, contents: Uint8Array): void {
    this.#inode(name).overwrite(contents);
  }

  /**
   * Flips one bit somewhere, durably. Not in what was written last: damage there cannot be told from a torn write. Says
   * where; undefined when nothing older is there.
   */
  flipBit(random: () => number): string | undefined {
    const names = [...this.#durableNames];
    const [name, inode] = names[Math.floor(random() * names.length)] ?? [];
    const offset = inode?.flipBit(random);
    return offset === undefined ? undefined : `${name}, byte ${offset}`;
  }

  /** Another disk, with what this one would hold after a power cut that keeps nothing of what was not synced. */
  durableCopy(): SimulatedDisk {
    const copy = new SimulatedDisk();
    for (const [name, { durable }] of this.#durableNames) copy.#durableNames.set(name, new Inode(durable));
    copy.#names = new Map(copy.#durableNames);
    return copy;
  }

  /** Another, empty disk takes its place, while nobody uses it. */
  wipe(): void {
    this.crash('power');
    this.#names = new Map();
    this.#durableNames = new Map();
  }

  /** The names a process would find. */
  get names(): string[] {
    return [...this.#names.keys()];
  }

  /** @internal Counts an operation and lets it fail; false if the process that asks is dead. */
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

  /** @internal Runs an operation that takes its time. */
  async run<T>(life: number, operation: DiskOperation, begin: () => () => T): Promise<T> {
    if (!this.enter(life, operation)) return never();
    const end = begin();
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

  /** @internal The first `changes` of names that there ever were are durable. */
  syncNames(changes: number): void {
    const synced = this.#unsyncedNames.splice(0, Math.max(0, changes - this.#syncedNames));
    this.#syncedNames += synced.length;
    for (const change of synced) change(this.#durableNames);
  }

  /** @internal How many changes of names there ever were. */
  get changesOfNames(): number {
    return this.#syncedNames + this.#unsyncedNames.length;
  }

  /** @internal */
  find(name: string): Inode | undefined {
    return this.#names.get(name);
  }

  /** @internal */
  lock(life: number, use: string): Lock {
    if (this.#locks.has(use)) throw new FolderLockedError(`The simulated folder is in use already (${use}).`);
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
      if (this.#disk.find(name) !== undefined) throw Object.assign(new Error(`${name} is there`), { code: 'EEXIST' });
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

  async lock(use: string): Promise<Lock> {
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
    // What a dead process still tries changes nothing.
    if (this.#disk.enter(this.#life, this.#writing(bytes, offset))) this.#inode.write(offset, bytes);
  }

  /** Whatever `bytes` are when it ends is what is written: who changes them too early, or syncs, shows it. */
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
