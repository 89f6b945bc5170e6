// Shows that the conformance suite for snapshot stores detects faults. Injects each fault into
// FileSnapshots or its folder, and expects a specific test of the suite to fail.
import { describe, expect, it } from 'vitest';
import type { Owner, SnapshotInfo, SnapshotMeta, SnapshotWriter } from '@kontiki/core';
import type { File, Folder } from '@kontiki/files';
import { FileSnapshots } from '@kontiki/snapshot';
import { collect, onDisk, testSnapshotStore } from '@kontiki/testing';

type Store = new (folder: Folder) => FileSnapshots;

/** Returns the title of the first test that fails with a faulty store. */
async function failing(Faulty: Store): Promise<string | undefined> {
  const runner = collect();
  testSnapshotStore(runner, { name: 'snapshots', medium: onDisk((folder) => new Faulty(folder)) });
  for await (const { name, error } of runner.run()) if (error !== undefined) return name;
  return undefined;
}

/** Returns a proxy for `real` in which some methods are replaced. */
function withMethods<T extends object>(real: T, replaced: Partial<T>): T {
  return new Proxy(real, {
    get: (target, key) => {
      const own: unknown = Reflect.get(key in replaced ? replaced : target, key, target);
      return typeof own === 'function' && !(key in replaced) ? (own.bind(target) as unknown) : own;
    },
  });
}

const withFolder = (change: (folder: Folder) => Partial<Folder>): Store =>
  class extends FileSnapshots {
    constructor(folder: Folder) {
      super(withMethods(folder, change(folder)));
    }
  };

const withFiles = (change: (file: File) => Partial<File>): Store =>
  withFolder((folder) => ({
    create: async (name) => {
      const file = await folder.create(name);
      return withMethods(file, change(file));
    },
  }));

const withWriter = (change: (writer: SnapshotWriter, meta: SnapshotMeta) => Partial<SnapshotWriter>): Store =>
  class extends FileSnapshots {
    override async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
      const writer = await super.create(meta);
      return withMethods(writer, change(writer, meta));
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
    withFolder(() => ({ sync: async () => {} })),
  ],
  [
    'the old file is removed before the new one is durable',
    'a store keeps finished snapshots after a process crash',
    withFolder((folder) => ({
      rename: async (from, to) => {
        // The file of an unfinished snapshot is renamed as usual.
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
    'sync does nothing',
    'an unfinished snapshot resumes after its synced bytes and is not listed',
    withWriter(() => ({ sync: async () => {} })),
  ],
  [
    'snapshots are sorted as strings',
    'list sorts snapshots by index, newest first (1000 before 999)',
    class extends FileSnapshots {
      override async list(): Promise<readonly SnapshotInfo[]> {
        return [...(await super.list())].sort((a, b) => (`${a.last.index}` < `${b.last.index}` ? 1 : -1));
      }
    },
  ],
  [
    'the offset of a read is ignored',
    'read starts at any offset and yields chunks of at most 256 KiB',
    class extends FileSnapshots {
      override read(id: string): AsyncGenerator<Uint8Array, void> {
        return super.read(id);
      }
    },
  ],
  [
    'chunks are too large',
    'read starts at any offset and yields chunks of at most 256 KiB',
    class extends FileSnapshots {
      override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
        const pieces: Uint8Array[] = [];
        for await (const piece of super.read(id, offset)) pieces.push(piece);
        if (pieces.length > 0) yield new Uint8Array(Buffer.concat(pieces));
      }
    },
  ],
  [
    'all chunks share one buffer',
    // This is the first test that reads a snapshot of several chunks.
    'sync covers all earlier writes while later writes run in parallel',
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
    'remove only hides a snapshot',
    'a removed snapshot stays removed, and removing it again succeeds',
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
    'an aborted snapshot is kept',
    'an aborted snapshot starts again at offset 0',
    withWriter((writer) => ({
      abort: async () => {
        await writer.sync().catch(() => {});
      },
    })),
  ],
  [
    'readers of a removed snapshot fail',
    'a reader continues while its snapshot is removed or rewritten',
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
    'any owner is accepted',
    'open rejects snapshots of another cluster or server and leaves them unchanged',
    class extends FileSnapshots {
      override open({ cluster }: Owner): Promise<void> {
        return super.open({ cluster, server: 'any' });
      }
    },
  ],
  [
    'a full disk is reported as a failed disk',
    'a full medium fails the snapshot being written, but the store keeps working',
    withFiles((file) => ({
      writeAsync: (bytes, offset) =>
        file.writeAsync(bytes, offset).catch(() => {
          throw new Error('no');
        }),
    })),
  ],
];

describe('testSnapshotStore', () => {
  it.each(faults)(
    'testSnapshotStore detects a store in which %s',
    async (_, title, Faulty) => {
      expect(await failing(Faulty)).toContain(title);
    },
    60_000,
  );

  it('testSnapshotStore passes a correct store', async () => {
    expect(await failing(FileSnapshots)).toBe(undefined);
  });
});
