import type { Mutant } from './mutant.js';

/** Bugs of the stores on `abstract-level`: looked for with `--storage level`. */
export const mutants: readonly Mutant[] = [
  {
    name: 'batches are not synced',
    package: 'storage-level',
    file: 'namespace.ts',
    find: 'this.db.batch(operations, DURABLY)',
    replace: 'this.db.batch(operations)',
  },
  {
    name: 'what was found in a database is not made durable',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'await this.#namespace.write([...more, {',
    replace: 'if (more.length > 0) await this.#namespace.write([...more, {',
  },
  {
    name: 'the head is not in the batch',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'operations.push(this.#head());\n    await this.#namespace.write(operations);',
    replace:
      'const head = this.#head();\n    await this.#namespace.write(operations.length > 0 ? operations : [head]);\n    void this.#namespace.write([head]).catch(() => {});',
  },
  {
    name: 'a ballot alone is not written',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'await this.#namespace.write(operations);',
    replace: 'if (operations.length > 1) await this.#namespace.write(operations);',
  },
  {
    name: 'the blocks of a replaced suffix stay',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: "operations.push({ type: 'del', key });",
    replace: '',
  },
  {
    name: 'a block is cut one entry too late',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'block.entries.filter(({ index }) => index < from)',
    replace: 'block.entries.filter(({ index }) => index <= from)',
  },
  {
    name: 'a block is not cut',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'if (block.last < from) return operations;',
    replace: 'return operations;',
  },
  {
    name: 'the terms of what was replaced stay in the database',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'operations.push(...this.#deleteItemsFrom(from), ...',
    replace: 'operations.push(...',
  },
  {
    name: 'a reset keeps the blocks',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'this.#generation += 1;',
    replace: '',
    rare: {
      why: 'a log is hardly ever longer than the snapshot that replaces it',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'the base is moved beside the batch',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: "operations.push({ type: 'put', key: BASE, value: encodeBase(tracker.base) });",
    replace: "await this.#namespace.write([{ type: 'put', key: BASE, value: encodeBase(base) }]);",
  },
  {
    name: 'blocks are deleted up to the base and beyond',
    package: 'storage-level',
    file: 'sweeper.ts',
    find: "await this.#clear(keyOf('block', 0, 0), last ?? from);",
    replace: "await this.#clear(keyOf('block', 0, 0), keyOf('block', generation, base + 2));",
  },
  {
    name: 'the entries of a batch are not in their order',
    package: 'storage-level',
    file: 'log-writer.ts',
    find: 'const kept = Math.max(0, first.index - (entries[0]?.index ?? first.index));',
    replace: 'const kept = entries.length;',
    rare: {
      why: 'entries are hardly ever replaced that still wait to be written',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'a block does not name the one before',
    package: 'storage-level',
    file: 'block-reader.ts',
    find: 'block.previous === checksum',
    replace: 'block.previous !== undefined',
    rare: {
      why: 'a database must have lost a batch and told nobody, as the simulated one of a world does not',
      test: 'packages/storage-level/test/level-log.test.ts',
    },
  },
  {
    name: 'a read is not tried again when a batch has come between',
    file: 'store/abstract-log.ts',
    find: 'if (calls.replacements === replacements)',
    replace: 'if (calls.replacements >= replacements)',
    rare: {
      why: 'a node reads only what is committed, which nothing replaces',
      test: 'packages/storage-level/test/level-log.test.ts',
    },
  },
  {
    name: 'a snapshot is listed before its last chunk is written',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: 'await this.sync();\n    const operations',
    replace: 'const operations',
  },
  {
    name: 'the chunks of a snapshot are not synced',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: `      this.#namespace.write([
        { type: 'put', key: chunkKey(number, begin), value },`,
    replace: `      this.#namespace.db.batch([
        { type: 'put', key: chunkKey(number, begin), value },`,
    rare: {
      why: 'the simulated database syncs what was before a synced batch, as LevelDB does unless it has just begun a file',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'a snapshot is finished without a sync',
    package: 'storage-level',
    file: 'level-sink.ts',
    find: 'await this.#namespace.write(operations);',
    replace: 'await this.#namespace.db.batch(operations);',
    rare: {
      why: 'the log is compacted behind it, by a batch that is synced',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
  {
    name: 'a removed snapshot goes from under its readers',
    file: 'store/abstract-snapshots.ts',
    find: 'if (!snapshot.isRemoved || snapshot.readers > 0 || !',
    replace: 'if (!snapshot.isRemoved || !',
    rare: {
      why: 'whoever is sent a snapshot that goes is offered the next',
      test: 'packages/storage-level/test/conformance.test.ts',
    },
  },
];
