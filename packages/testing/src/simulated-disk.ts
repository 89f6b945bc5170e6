import { FolderLockedError, type File, type Folder, type Lock } from '@kontiki/files';

/** What a store asks of a disk. */
export interface DiskOperation {
  readonly kind: 'list' | 'open' | 'create' | 'rename' | 'remove' | 'sync' | 'write' | 'datasync' | 'read' | 'allocate';
  /** The file; empty for what concerns the folder. */
  readonly name: string;
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

const SECTOR = 512;

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A file's contents: as a process reads them, and as they are after a power cut. */
class Inode {
  current: Uint8Array = new Uint8Array(0);
  durable: Uint8Array = new Uint8Array(0);
  /** Writes that are not durable yet, oldest first. */
  unsynced: Write[] = [];

  write(write: Write): void {
    this.current = written(this.current, write);
    this.unsynced.push(write);
  }

  sync(writes: number): void {
    for (const write of this.unsynced.splice(0, writes)) this.durable = written(this.durable, write);
  }

  /** Keeps none, the first ones, or any sectors of what was not synced. */
  cutPower(random: () => number): void {
    const mode = random();
    if (mode >= 1 / 3) {
      for (const { offset, bytes } of this.unsynced) {
        if (mode < 2 / 3 && random() < 0.5) break;
        for (let at = 0; at < bytes.length;) {
          const end = Math.min(bytes.length, at + SECTOR - ((offset + at) % SECTOR));
          if (mode < 2 / 3 || random() < 0.5) {
            this.durable = written(this.durable, { offset: offset + at, bytes: bytes.subarray(at, end) });
          }
          at = end;
        }
      }
    }
    this.unsynced = [];
    this.current = this.durable;
  }
}

function written(content: Uint8Array, { offset, bytes }: Write): Uint8Array {
  const result = new Uint8Array(Math.max(content.length, offset + bytes.length));
  result.set(content);
  result.set(bytes, offset);
  return result;
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
    return this.#inode(name).current.slice();
  }

  /** Puts contents there, durably, behind everybody's back: damage. */
  overwrite(name: string, contents: Uint8Array): void {
    const inode = this.#inode(name);
    inode.current = inode.durable = contents.slice();
    inode.unsynced = [];
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

  /** @internal */
  syncNames(changes: number): void {
    for (const change of this.#unsyncedNames.splice(0, changes)) change(this.#durableNames);
  }

  /** @internal */
  get unsyncedNames(): number {
    return this.#unsyncedNames.length;
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
    this.syncNames(kept);
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
      const changes = this.#disk.unsyncedNames;
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
    return this.#inode.current.length;
  }

  write(bytes: Uint8Array, offset: number): void {
    // What a dead process still tries changes nothing.
    if (this.#disk.enter(this.#life, { kind: 'write', name: this.#name }))
      this.#inode.write({ bytes: bytes.slice(), offset });
  }

  datasync(): Promise<void> {
    return this.#run('datasync', () => {
      const writes = this.#inode.unsynced.length;
      return () => this.#inode.sync(writes);
    });
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#run('read', () => () => this.#inode.current.slice(offset, offset + length));
  }

  allocate(size: number): Promise<void> {
    return this.#run('allocate', () => () => {
      const { length } = this.#inode.current;
      if (size > length) this.#inode.write({ bytes: new Uint8Array(size - length), offset: length });
      this.#inode.sync(Infinity);
    });
  }

  async close(): Promise<void> {}

  #run<T>(kind: DiskOperation['kind'], begin: () => () => T): Promise<T> {
    return this.#disk.run(this.#life, { kind, name: this.#name }, begin);
  }
}
