import type { Mutant } from './mutant.js';

/** Bugs in taking, storing, sending, installing and restoring snapshots. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a start keeps a log that contradicts the snapshot',
    file: 'node/start/align-stores.ts',
    find: 'const reaches = holds(opened, snapshot);',
    replace: 'const reaches = opened.last >= last.index || holds(opened, snapshot);',
    rare: {
      why: 'a crash must happen between two writes of an install that replaces a longer, contradicting log',
      test: 'packages/core/test/node/align-stores.test.ts',
    },
  },
  {
    name: 'a start does not restore the snapshot',
    file: 'node/start/align-stores.ts',
    find: 'if (held < last.index && snapshots !== undefined) {',
    replace: 'if (held < 0 && snapshots !== undefined) {',
  },
  {
    name: 'the last entry of a restored snapshot is applied again',
    file: 'node/start/align-stores.ts',
    find: 'applied: Math.max(held, last.index),',
    replace: 'applied: Math.max(held, last.index - 1),',
  },
  {
    name: 'a start accepts a gap between the snapshot and the log',
    file: 'node/start/align-stores.ts',
    find: 'if (applied < state.base.index) {',
    replace: 'if (applied < -1) {',
    rare: {
      why: 'a snapshot must be damaged while the log is compacted',
      test: 'packages/core/test/node/align-stores.test.ts',
    },
  },
  {
    name: 'the membership of a snapshot is ignored',
    file: 'protocol/raft.ts',
    find: 'log.reset({ ...meta.last, membership: meta.membership });',
    replace: 'log.reset({ ...meta.last, membership: undefined });',
  },
  {
    name: 'a snapshot is installed even if the log contains its last entry',
    file: 'protocol/raft.ts',
    find: 'const installs = !log.matchesTerm(meta.last);',
    replace: 'const installs = true;',
    rare: {
      why: 'a peer must catch up by entries while it is being sent a snapshot',
      test: 'packages/core/test/protocol/snapshots.test.ts',
    },
  },
  {
    name: 'a peer that needs the entry at the log base gets no snapshot',
    file: 'protocol/replication.ts',
    find: 'if (next <= log.base.index) {\n        if (!progress.full)',
    replace: 'if (next < log.base.index) {\n        if (!progress.full)',
    equivalent:
      'the node asks the store for the entry at the base, does not get it, and sends the peer a snapshot anyway',
  },
  {
    name: 'a log that a snapshot replaces is not reset on disk',
    file: 'node/loop.ts',
    find: 'this.#log.reset({ ...base, genesis }),',
    replace: '',
  },
  {
    name: 'a snapshot claims an index beyond the applied index',
    file: 'node/snapshots/taker.ts',
    find: 'const index = log.applied;',
    replace: 'const index = log.committed;',
  },
  {
    name: 'applying continues before the first snapshot chunk is read',
    file: 'node/snapshots/taker.ts',
    find: 'const first = await chunks.next();',
    replace: 'const first = { done: false, value: new Uint8Array(0) } as IteratorResult<Uint8Array, unknown>;',
    rare: {
      why: 'an entry must be applied while the store creates a file, which takes no time in a world',
      test: 'packages/core/test/node/snapshots.test.ts',
    },
  },
  {
    name: 'a due snapshot does not delay later batches of the same turn',
    file: 'node/apply/applier.ts',
    find: 'if (this.#closed || this.#busy) return;',
    replace: 'if (this.#closed) return;',
    rare: {
      why: 'more than 256 KiB must wait to be applied, and the commands of a world are small',
      test: 'packages/core/test/node/applier.test.ts',
    },
  },
  {
    name: 'the log is compacted before the snapshot is durable',
    file: 'node/snapshots/taker.ts',
    find: 'return await writer.finish();',
    replace: 'void writer.finish().catch(() => {}); return { ...meta, bytes: 0 };',
  },
  {
    name: 'the log is compacted beyond the applied index',
    file: 'node/snapshots/compaction.ts',
    find: 'needed, log.applied, log.durable);',
    replace: 'needed) + 1;',
  },
  {
    name: 'an installed snapshot is not restored into the machine',
    file: 'node/apply/applier.ts',
    find: 'await restore();',
    replace: 'void restore;',
  },
  {
    name: 'proposals covered by a snapshot are reported as applied',
    file: 'node/calls/proposals.ts',
    find: 'call.reject(resultLost(last.index));',
    replace: 'call.resolve({ index: at, term: 1, result: undefined as Result });',
    rare: {
      why: 'a deposed leader must receive a snapshot that covers an entry whose caller is still waiting',
      test: 'packages/core/test/node/catching-up.test.ts',
    },
  },
  {
    name: 'the offset of a snapshot chunk is not checked',
    file: 'node/snapshots/receiver.ts',
    find: 'const fits = offset === incoming.next && offset',
    replace: 'const fits = offset',
    equivalent:
      'every byte is checked before the snapshot is used, so an incorrectly assembled snapshot is rejected and sent again',
  },
  {
    name: 'a peer that installed an older snapshot is sent nothing more',
    file: 'protocol/leader.ts',
    find: "if (progress.state === 'snapshot' && progress.match > match)",
    replace: "if (progress.state === 'snapshot' && progress.match < match)",
  },
  {
    name: 'a lost snapshot chunk is never sent again',
    file: 'node/snapshots/sender.ts',
    find: 'if (!this.#closed) this.#timer.set(',
    replace: 'if (this.#closed) this.#timer.set(',
  },
  {
    name: 'the contents of a snapshot are not synced',
    package: 'snapshot',
    file: 'file-sink.ts',
    find: 'await this.#file.datasync();\n    await this.#file.close();',
    replace: 'await this.#file.close();',
  },
  {
    name: 'a snapshot is synced while it is still being written',
    package: 'snapshot',
    file: 'file-sink.ts',
    find: 'const end = this.#end;\n    await this.#written;',
    replace: 'const end = this.#end;',
    rare: {
      why: 'receivers sync every 8 MiB, and no world has a state that large',
      test: 'packages/snapshot/test/conformance.test.ts',
    },
  },
  {
    name: 'the name of a snapshot is not synced',
    package: 'snapshot',
    file: 'file-sink.ts',
    find: 'await this.#rename(finishedName(info));',
    replace: `const name = finishedName(info);
    await this.#folder.rename(this.#name, name);
    this.#name = name;`,
  },
  {
    name: 'a durable state machine stores an index one too high',
    package: 'testing',
    file: 'workload/key-value-machine.ts',
    find: 'const saved: SavedState = { through: this.#through,',
    replace: 'const saved: SavedState = { through: this.#through + 1,',
  },
];
