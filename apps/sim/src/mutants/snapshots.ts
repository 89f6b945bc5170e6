import type { Mutant } from './mutant.js';

/** Bugs of snapshots: taken, kept, sent, installed, and found at a start. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a start keeps a log that contradicts the snapshot',
    file: 'node/start/align-stores.ts',
    find: 'const meets = holds(opened, snapshot);',
    replace: 'const meets = opened.last >= last.index || holds(opened, snapshot);',
    rare: {
      why: 'a crash must come between two writes of an install, over a longer log that contradicts it',
      test: 'packages/core/test/node/join.test.ts',
    },
  },
  {
    name: 'a start skips what the snapshot holds',
    file: 'node/start/align-stores.ts',
    find: 'if (held < last.index && snapshots !== undefined) {',
    replace: 'if (held < 0 && snapshots !== undefined) {',
  },
  {
    name: 'an entry is applied again behind a snapshot',
    file: 'node/start/align-stores.ts',
    find: 'applied: Math.max(held, last.index),',
    replace: 'applied: Math.max(held, last.index - 1),',
  },
  {
    name: 'a start takes a log that begins behind the snapshot',
    file: 'node/start/align-stores.ts',
    find: 'if (applied < state.base.index) {',
    replace: 'if (applied < -1) {',
    rare: {
      why: 'only a damaged snapshot beside a compacted log brings it about',
      test: 'packages/core/test/node/join.test.ts',
    },
  },
  {
    name: 'the membership of a snapshot is passed over',
    file: 'protocol/raft.ts',
    find: 'log.reset({ ...meta.last, membership: meta.membership });',
    replace: 'log.reset({ ...meta.last, membership: undefined });',
  },
  {
    name: 'a snapshot older than what is committed is installed',
    file: 'protocol/raft.ts',
    find: 'const installs = !log.matchesTerm(meta.last);',
    replace: 'const installs = true;',
    rare: {
      why: 'a peer must catch up by entries while a snapshot is on its way to it',
      test: 'packages/core/test/protocol/snapshots.test.ts',
    },
  },
  {
    name: 'the term lies beyond a snapshot’s last entry',
    file: 'protocol/replication.ts',
    find: 'if (next <= log.base.index) {\n        this.#needSnapshot(id, progress);\n        break;',
    replace: 'if (next < log.base.index) {\n        this.#needSnapshot(id, progress);\n        break;',
    equivalent:
      'the entry at the base is then asked of the store, which does not have it, and a snapshot is due all the same',
  },
  {
    name: 'a log that a snapshot replaces is not reset on the disk',
    file: 'node/driver.ts',
    find: 'this.#log.reset({ ...reset, genesis: this.#genesis }),',
    replace: '',
  },
  {
    name: 'a snapshot is of more than the machine holds',
    file: 'node/snapshot-taker.ts',
    find: 'const index = log.applied;',
    replace: 'const index = log.committed;',
  },
  {
    name: 'a snapshot is read while the machine goes on',
    file: 'node/snapshot-taker.ts',
    find: 'const first = await chunks.next();',
    replace: 'const first = { done: false, value: new Uint8Array(0) } as IteratorResult<Uint8Array, unknown>;',
    rare: {
      why: 'something must be applied in the moment in which a store makes a file, and a world’s stores take none',
      test: 'packages/core/test/node/snapshots.test.ts',
    },
  },
  {
    name: 'a snapshot that is due holds back no batch of the same turn',
    file: 'node/applier.ts',
    find: 'if (this.#closed || this.#busy) return;',
    replace: 'if (this.#closed) return;',
    rare: {
      why: 'more than 256 KiB must wait to be applied, and a world’s commands are small',
      test: 'packages/core/test/node/applier.test.ts',
    },
  },
  {
    name: 'the log is compacted before the snapshot is durable',
    file: 'node/snapshot-taker.ts',
    find: 'return await writer.finish();',
    replace: 'void writer.finish().catch(() => {}); return { ...meta, bytes: 0 };',
  },
  {
    name: 'the log is compacted past what is applied',
    file: 'node/snapshots.ts',
    find: 'needed, raft.log.applied, raft.log.durable);',
    replace: 'needed) + 1;',
  },
  {
    name: 'an installed snapshot is not put into the machine',
    file: 'node/applier.ts',
    find: 'await restore();',
    replace: 'void restore;',
  },
  {
    name: 'what a snapshot has passed over is called applied',
    file: 'node/proposals.ts',
    find: 'if (at > index) continue;\n        calls.delete(at);\n        call.reject(unknownOutcome(undefined));',
    replace:
      'if (at > index) continue;\n        calls.delete(at);\n        call.resolve({ index: at, term: 1, result: undefined as Result });',
    rare: {
      why: 'a leader must lose its place and be sent a snapshot over an entry whose caller still waits',
      test: 'packages/core/test/node/catching-up.test.ts',
    },
  },
  {
    name: 'where a chunk belongs is not looked at',
    file: 'node/snapshot-receiver.ts',
    find: 'const fits = offset === arriving.next && offset',
    replace: 'const fits = offset',
    equivalent:
      'every byte is checked before the snapshot counts: one that was pieced together wrongly is refused, and sent again',
  },
  {
    name: 'a peer that has installed too little gets nothing else',
    file: 'protocol/leader.ts',
    find: "if (progress.state === 'snapshot' && progress.match > match)",
    replace: "if (progress.state === 'snapshot' && progress.match < match)",
  },
  {
    name: 'a lost part of a snapshot is never asked for again',
    file: 'node/snapshot-sender.ts',
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
      why: 'receivers sync every 8 MiB, and no world has so large a state',
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
    name: 'the index of a state is kept before the state',
    package: 'testing',
    file: 'workload/key-value-machine.ts',
    find: 'const kept: Kept = { through: this.#through,',
    replace: 'const kept: Kept = { through: this.#through + 1,',
  },
];
