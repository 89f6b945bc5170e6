import type { Mutant } from './mutant.js';

/** Bugs in the stores on `abstract-level`. These mutants run with `--storage level`. */
export const mutants: readonly Mutant[] = [
  {
    name: 'batches are not synced',
    package: 'storage-level',
    file: 'namespace.ts',
    find: 'this.db.batch(operations, DURABLY)',
    replace: 'this.db.batch(operations)',
  },
  {
    name: 'open does not sync the state it finds in the database',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'await this.#namespace.write([...more, {',
    replace: 'if (more.length > 0) await this.#namespace.write([...more, {',
  },
  {
    name: 'the head is not written in the same batch',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'operations.push(this.#head());\n    await this.#namespace.write(operations);',
    replace:
      'const head = this.#head();\n    await this.#namespace.write(operations.length > 0 ? operations : [head]);\n    void this.#namespace.write([head]).catch(() => {});',
  },
  {
    name: 'a write that contains only a ballot is skipped',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'await this.#namespace.write(operations);',
    replace: 'if (operations.length > 1) await this.#namespace.write(operations);',
  },
  {
    name: 'the blocks of a replaced suffix are kept',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: "operations.push({ type: 'del', key });",
    replace: '',
  },
  {
    name: 'a block is truncated one entry too late',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'block.entries.filter(({ index }) => index < from)',
    replace: 'block.entries.filter(({ index }) => index <= from)',
  },
  {
    name: 'a block is not truncated',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'if (block.last < from) return operations;',
    replace: 'return operations;',
  },
  {
    name: 'the terms of replaced entries are not deleted',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: '[...this.#deleteItemsFrom(from), ...',
    replace: '[...',
  },
  {
    name: 'a reset keeps the old blocks',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'this.#generation += 1;',
    replace: '',
    rare: {
      why: 'the log must extend beyond the snapshot that replaces it, which is rare',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'the base is written in a separate batch',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: "operations.push({ type: 'put', key: BASE, value: encodeBase(tracker.base) });",
    replace: "await this.#namespace.write([{ type: 'put', key: BASE, value: encodeBase(base) }]);",
  },
  {
    name: 'compaction deletes a block beyond the base',
    package: 'storage-level',
    file: 'sweeper.ts',
    find: "await this.#clear(keyOf('block', 0, 0), last ?? from);",
    replace: "await this.#clear(keyOf('block', 0, 0), keyOf('block', generation, base + 2));",
  },
  {
    name: 'a queued batch keeps entries that a later write replaces',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'const kept = Math.max(0, first.index - (entries[0]?.index ?? first.index));',
    replace: 'const kept = entries.length;',
    rare: {
      why: 'entries must be replaced while they are waiting to be written, which is rare',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'the checksum link between blocks is not checked',
    package: 'storage-level',
    file: 'block-reader.ts',
    find: 'block.previous === checksum',
    replace: 'block.previous !== undefined',
    rare: {
      why: 'the database must lose a batch silently, and the simulated database of a world never does',
      test: 'packages/storage-level/test/level-log.test.ts',
    },
  },
  {
    name: 'a read is not retried after a batch replaced its entries',
    file: 'store/abstract-log.ts',
    find: 'if (calls.replacements === replacements)',
    replace: 'if (calls.replacements >= replacements)',
    rare: {
      why: 'a node reads only committed entries, which are never replaced',
      test: 'packages/storage-level/test/level-log.test.ts',
    },
  },
  {
    name: 'a snapshot is listed without its last chunk',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: 'await this.sync();\n    const operations',
    replace: 'const operations',
  },
  {
    name: 'the chunks of a snapshot are not synced',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: `      await namespace.write([
        { type: 'put', key: chunkKey(number, begin), value },`,
    replace: `      await namespace.db.batch([
        { type: 'put', key: chunkKey(number, begin), value },`,
    rare: {
      why: 'in the simulated database, a synced batch also syncs all earlier batches, as in a log file of LevelDB',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'a snapshot is finished without a sync',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: 'await namespace.write(operations);',
    replace: 'await namespace.db.batch(operations);',
    rare: {
      why: 'the compaction that follows is a synced batch, which also makes the snapshot durable',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'a snapshot is removed while it is being read',
    file: 'store/abstract-snapshots.ts',
    find: 'if (!snapshot.isRemoved || snapshot.readers > 0 || !',
    replace: 'if (!snapshot.isRemoved || !',
    rare: {
      why: 'a peer whose snapshot disappears is sent the next snapshot',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
];
