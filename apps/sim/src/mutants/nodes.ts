import { nodeMutants as forwarding } from './forwarding.js';
import { mutants as leadership } from './leadership.js';
import { nodeMutants as lease } from './lease.js';
import { nodeMutants as logTime } from './log-time.js';
import { mutants as machine } from './machine.js';
import { mutants as sessions } from './sessions.js';
import type { Mutant } from './mutant.js';

/**
 * Bugs outside the protocol: in the node, typed state machines, the wire format and the file log.
 */
export const mutants: readonly Mutant[] = [
  ...forwarding,
  // ---- the node
  {
    name: 'a proposal resolves when its entry is appended',
    file: 'node/calls/proposals.ts',
    find: 'if (index > Math.max(applied, base.index)) return this.#wait(position, call);',
    replace:
      'if (index > Math.max(applied, base.index)) return (call as Call<unknown>).resolve({ ...position, result: true });',
  },
  {
    name: 'a proposal resolves when another entry commits at its index',
    file: 'node/calls/proposals.ts',
    find: '    this.#ruleOut(entry);\n    this.#forwarding.noteApplied(entry, result);\n    const { index, term } = entry;\n    const calls = this.#appended.get(term);',
    replace:
      '    this.#forwarding.noteApplied(entry, result);\n    const { index, term } = entry;\n    const calls = [...this.#appended.values()].find((some) => some.has(index));',
  },
  {
    name: 'a proposal keeps the memory of its caller',
    file: 'node/raft-node.ts',
    find: 'command = this.#pool.copy(data);',
    replace: 'command = data;',
  },
  {
    name: 'machines are given the memory of the log',
    file: 'node/apply/applier.ts',
    find: 'const commands = this.#copyCommands(entries);',
    replace: "const commands = entries.filter((entry): entry is CommandEntry => entry.kind === 'command');",
  },
  {
    name: 'a proposal that times out is reported as refused',
    file: 'node/calls/proposals.ts',
    find: 'call.reject(unknownOutcome(why));',
    replace: 'call.reject(why);',
  },
  {
    name: 'results are swapped between the callers of a batch',
    file: 'node/loop.ts',
    find: "entry.kind === 'command' ? results[next++] : undefined",
    replace: "entry.kind === 'command' ? results[results.length - 1 - next++] : undefined",
  },
  {
    name: 'an entry is applied again after a restart',
    file: 'node/start/align-stores.ts',
    find: 'const held = (await machine.open?.(owner)) ?? 0;',
    replace: 'const held = Math.max(0, ((await machine.open?.(owner)) ?? 0) - 1);',
  },
  {
    name: 'an entry is skipped after a restart',
    file: 'node/start/align-stores.ts',
    find: 'const held = (await machine.open?.(owner)) ?? 0;',
    replace: 'const held = Math.min(opened.committed, ((await machine.open?.(owner)) ?? 0) + 1);',
  },
  {
    name: 'a read is served before its read index is applied',
    file: 'node/calls/read-queue.ts',
    find: 'if (index > at.index) continue;',
    replace: '',
  },
  {
    name: 'a read is served during an asynchronous apply',
    file: 'node/loop.ts',
    find: 'if (!this.applier.isChangingState && this.reads.serve(this.applied)) this.schedule();',
    replace: 'this.reads.serve({ ...this.applied, index: this.#raw.raft.log.committed });',
  },
  {
    name: 'messages do not wait for the preceding write',
    file: 'protocol/raw-node.ts',
    find: 'if (after <= this.raft.log.lastDurableWrite) mail.push(afterWrite);',
    replace: 'if (after > 0) mail.push(afterWrite);',
  },
  {
    name: 'a write counts as durable when it is passed to the store',
    file: 'node/loop.ts',
    find: 'written.then(() => {\n      if',
    replace: 'void written.catch(() => {});\n    Promise.resolve().then(() => {\n      if',
  },
  {
    name: 'a failed write is ignored',
    file: 'node/loop.ts',
    find: `    }, this.#onFailure);
  }

  /**
   * A reset keeps`,
    replace: `    }, () => {
      this.#raw.written(number);
      this.schedule();
    });
  }

  /**
   * A reset keeps`,
  },
  {
    name: 'appended proposals never settle when the node stops',
    file: 'node/calls/proposals.ts',
    find: 'for (const call of calls.values()) call.reject(unknownOutcome(refused.cause ?? refused));',
    replace: '',
  },
  {
    name: 'the deadline of a call is ignored',
    file: 'node/calls/calls.ts',
    find: "call.abandon(new KontikiError('KONTIKI_TIMEOUT', text));",
    replace: '',
  },
  {
    name: 'appended proposals are reported as refused when the node stops',
    file: 'node/calls/proposals.ts',
    find: 'for (const call of calls.values()) call.reject(unknownOutcome(refused.cause ?? refused));',
    replace: 'for (const call of calls.values()) call.reject(refused);',
  },
  {
    name: 'appended proposals are reported as refused when a leader steps down',
    file: 'node/calls/proposals.ts',
    find: '    const { role, transferTarget } = this.#raft;',
    replace: `    if (this.#raft.role !== 'leader') {
      for (const calls of this.#appended.values()) for (const call of calls.values()) call.reject(refusalError(this.#raft, 'notLeader'));
      this.#appended.clear();
    }
    const { role, transferTarget } = this.#raft;`,
  },
  {
    name: 'the quorum of one read also confirms later reads',
    file: 'node/calls/read-queue.ts',
    find: 'if (waiting.ticket > ticket) break;',
    replace: '',
  },
  {
    name: 'entries read for the state machine start one entry late',
    file: 'node/apply/applier.ts',
    find: 'readEntries(store, log.applied + 1, this.#batchEnd, BATCH_BYTES)',
    replace: 'store.read(Math.min(log.applied + 2, this.#batchEnd), this.#batchEnd, BATCH_BYTES)',
  },
  {
    name: 'the last command of a large apply batch is skipped',
    file: 'node/apply/applier.ts',
    find: "if (entry.kind !== 'command') continue;",
    replace: "if (entry.kind !== 'command' || (commands.length > 8 && entry === entries.at(-1))) continue;",
  },

  // ---- the wire
  {
    name: 'the checksum of a frame is not checked',
    file: 'wire/frame.ts',
    find: 'if (checksum !== crc32(bytes.subarray(4)))',
    replace: 'if (checksum < 0)',
  },

  // ---- the file log
  {
    name: 'append does not sync',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'await segment.file.datasync();',
    replace: 'await Promise.resolve();',
  },
  {
    name: 'a failed sync is ignored',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'await segment.file.datasync();',
    replace: 'await segment.file.datasync().catch(() => {});',
  },
  {
    name: 'open does not sync the last batch it finds',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (torn > from || !proven) await file.datasync();',
    replace: '',
  },
  {
    name: 'open syncs the last batch without rewriting it',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);',
    replace: '',
  },
  {
    name: 'the name of a new segment is not synced',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'await folder.sync();',
    replace: '',
  },
  {
    name: 'the contents of a new segment are not synced',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'await file.datasync();\n    const name',
    replace: 'const name',
  },
  {
    name: 'new batches are written after a torn end',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'file.write(new Uint8Array(torn - from), from);',
    replace: 'this.#end = (torn + 7) & ~7;',
  },
  {
    name: 'damage in the middle of the log is treated as its end',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (later !== undefined)',
    replace: 'if (later === null)',
  },
  {
    name: 'the end of a segment is not compared with the next header',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: `      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.tracker.last
    ) {`,
    replace: `      (this.#nextBatch = header.firstBatch) < 0
    ) {`,
    rare: {
      why: 'the bug loses only a vote in the last batch of a segment, where a bit rarely flips',
      test: 'packages/storage-fs/test/damage.test.ts',
    },
  },
  {
    name: 'the checksum of a batch is not checked',
    package: 'storage-fs',
    file: 'batch.ts',
    find: 'if (crc32(bytes.subarray(begin + 4, end)) !== checksum) return undefined;',
    replace: '',
  },
  {
    name: 'a vote is not written',
    file: 'store/record.ts',
    find: 'const vote = ballot?.votedFor === undefined ? 0 : HAS_VOTE;',
    replace: 'const vote = 0;',
  },
  {
    name: 'a read returns entries that a queued write replaces',
    file: 'store/group-commit.ts',
    find: 'until = Math.min(until, first);',
    replace: '',
    rare: {
      why: 'a leader reads only its own entries and entries that were durable before its vote, and a state machine reads only durable entries',
      test: 'packages/storage-fs/test/conformance.test.ts',
    },
  },
  {
    name: 'a replaced entry is not removed from the index',
    package: 'storage-fs',
    file: 'entry-index.ts',
    find: 'else run.last = index - 1;',
    replace: 'else return hasRemoved;',
  },
  {
    name: 'open does not sync the folder',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'await folder.sync();',
    replace: '',
    rare: {
      why: 'the process must be killed between the rename of a segment and the sync of the folder',
      test: 'packages/storage-fs/test/conformance.test.ts',
    },
  },
  {
    name: 'a batch is marked as synced before it is synced',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);',
    replace: `segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);
      segment.file.write(encodeBatch(this.#nextBatch + 1, segment.salt, []), this.#end + length);`,
  },
  {
    name: 'open marks the last batch as synced before it is synced',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);',
    replace: `if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);
    if (!proven) file.write(encodeBatch(this.#nextBatch, salt, []), end);`,
  },
  {
    name: 'a segment is renamed before its contents are synced',
    package: 'storage-fs',
    file: 'appender.ts',
    find: `    await file.datasync();
    const name = segmentName(sequence);
    await folder.rename(SpareSegment.NAME, name);`,
    replace: `    const name = segmentName(sequence);
    await folder.rename(SpareSegment.NAME, name);
    await file.datasync();`,
  },
  {
    name: 'the terms of replaced entries are not removed',
    file: 'store/log-state-tracker.ts',
    find: 'while ((this.#terms.at(-1)?.index ?? 0) >= from) this.#terms.pop();',
    replace: 'while ((this.#terms.at(-1)?.index ?? 0) > from) this.#terms.pop();',
  },
  {
    name: 'a new term without a vote is not written',
    file: 'store/record.ts',
    find: 'return (ballot === undefined ? 0 : HAS_BALLOT | vote)',
    replace: 'return (ballot?.votedFor === undefined ? 0 : HAS_BALLOT | vote)',
  },
  {
    name: 'a segment is accepted even if batches before it are missing',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: `      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.tracker.last
    ) {`,
    replace: `      ((this.#nextBatch = header.firstBatch), (this.#end = header.previousEnd), this.tracker.restore({ ...checkpoint, base: this.tracker.base })) !== undefined
    ) {`,
  },
  ...machine,
  ...leadership,
  ...sessions,
  ...lease,
  ...logTime,
  {
    name: 'servers of different epochs exchange messages',
    file: 'wire/stranger.ts',
    find: ' || differ(self.epoch, other.epoch);',
    replace: ';',
  },
  {
    name: 'a recovered server keeps the epoch of the lost majority',
    file: 'node/recover/recover.ts',
    find: 'epoch: randomHex(16),',
    replace: 'epoch: current.epoch,',
  },
];
