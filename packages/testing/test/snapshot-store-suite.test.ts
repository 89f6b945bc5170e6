import { describe, expect, it } from 'vitest';
import type { Owner, SnapshotInfo, SnapshotMeta, SnapshotWriter } from '@kontiki/core';
import type { File, Folder } from '@kontiki/files';
import { FileSnapshots } from '@kontiki/snapshot';
import { collect, onDisk, testSnapshotStore } from '@kontiki/testing';

type Store = new (folder: Folder) => FileSnapshots;

/** The first test that fails with a faulty store. */
async function failing(Faulty: Store): Promise<string | undefined> {
  const runner = collect();
  testSnapshotStore(runner, { name: 'snapshots', medium: onDisk((folder) => new Faulty(folder)) });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

/** The same methods, but for some. */
function but<T extends object>(real: T, changed: Partial<T>): T {
  return new Proxy(real, {
    get: (target, key) => {
      const own: unknown = Reflect.get(key in changed ? changed : target, key, target);
      return typeof own === 'function' && !(key in changed) ? (own.bind(target) as unknown) : own;
    },
  });
}

const on = (change: (folder: Folder) => Partial<Folder>): Store =>
  class extends FileSnapshots {
    constructor(folder: Folder) {
      super(but(folder, change(folder)));
    }
  };

const withFiles = (change: (file: File) => Partial<File>): Store =>
  on((folder) => ({
    create: async (name) => {
      const file = await folder.create(name);
      return but(file, change(file));
    },
  }));

const writing = (change: (writer: SnapshotWriter, meta: SnapshotMeta) => Partial<SnapshotWriter>): Store =>
  class extends FileSnapshots {
    override async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
      const writer = await super.create(meta);
      return but(writer, change(writer, meta));
    }
  };

const faults: readonly (readonly [string, string, Store])[] = [
  [
    'nothing is synced',
    'a store keeps finished snapshots after a process crash',
    withFiles(() => ({ datasync: async () => {} })),
  ],
  [
    'the folder is not synced',
    'a store keeps finished snapshots after a process crash',
    on(() => ({ sync: async () => {} })),
  ],
  [
    'an old name goes away before the new one is there',
    'a store keeps finished snapshots after a process crash',
    on((folder) => ({
      rename: async (from, to) => {
        // The file that is being written keeps its own.
        if (to.startsWith('snapshot-part-')) return folder.rename(from, to);
        const old = await folder.open(from);
        const bytes = await old.read(0, await old.size());
        await folder.remove(from);
        await folder.remove(to);
        const file = await folder.create(to);
        file.write(bytes, 0);
        await file.datasync();
      },
    })),
  ],
  [
    'a sync says more than it has done',
    'an unfinished snapshot resumes after its synced bytes',
    writing(() => ({ sync: async () => {} })),
  ],
  [
    'the newest is chosen by text',
    'list returns the newest snapshot first',
    class extends FileSnapshots {
      override async list(): Promise<readonly SnapshotInfo[]> {
        return [...(await super.list())].sort((a, b) => (`${a.last.index}` < `${b.last.index}` ? 1 : -1));
      }
    },
  ],
  [
    'an offset is passed over',
    'read starts at any offset',
    class extends FileSnapshots {
      override read(id: string): AsyncGenerator<Uint8Array, void> {
        return super.read(id);
      }
    },
  ],
  [
    'chunks are too large',
    'read starts at any offset',
    class extends FileSnapshots {
      override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
        const pieces: Uint8Array[] = [];
        for await (const piece of super.read(id, offset)) pieces.push(piece);
        if (pieces.length > 0) yield new Uint8Array(Buffer.concat(pieces));
      }
    },
  ],
  [
    'chunks are read into memory that is used again',
    // The first one that reads several chunks of a snapshot.
    'a sync runs in parallel with later writes',
    class extends FileSnapshots {
      override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
        const memory = new Uint8Array(256 * 1024);
        for await (const piece of super.read(id, offset)) {
          memory.set(piece);
          yield memory.subarray(0, piece.length);
        }
      }
    },
  ],
  [
    'what is removed is only hidden',
    'a removed snapshot stays removed',
    class extends FileSnapshots {
      readonly #hidden = new Set<string>();
      override async remove(id: string): Promise<void> {
        this.#hidden.add(id);
      }
      override async list(): Promise<readonly SnapshotInfo[]> {
        return (await super.list()).filter(({ id }) => !this.#hidden.has(id));
      }
    },
  ],
  [
    'what is given up stays',
    'an aborted snapshot starts again at offset 0',
    writing((writer) => ({
      abort: async () => {
        await writer.sync().catch(() => {});
      },
    })),
  ],
  [
    'readers of what is removed end',
    'a reader continues when its snapshot is removed',
    class extends FileSnapshots {
      override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
        for await (const piece of super.read(id, offset)) {
          if (!(await this.list()).some((info) => info.id === id)) throw new Error('gone');
          yield piece;
        }
      }
    },
  ],
  [
    'any owner is let in',
    'open rejects snapshots of another cluster or server',
    class extends FileSnapshots {
      override open({ cluster }: Owner): Promise<void> {
        return super.open({ cluster, server: 'any' });
      }
    },
  ],
  [
    'a full disk is a failed one',
    'a full medium fails the snapshot being written',
    withFiles((file) => ({
      writeAsync: (bytes, offset) =>
        file.writeAsync(bytes, offset).catch(() => {
          throw new Error('no');
        }),
    })),
  ],
];

describe('the suite for snapshot stores', () => {
  it.each(faults)(
    'notices that %s: “%s”',
    async (_, title, Faulty) => {
      expect(await failing(Faulty)).toContain(title);
    },
    60_000,
  );

  it('finds nothing wrong with the store that the faults are put into', async () => {
    expect(await failing(FileSnapshots)).toBe(undefined);
  });
});
