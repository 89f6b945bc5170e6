import type { Mutant } from './mutant.js';

/** Bugs around the protocol: in the node that drives it, in what it sends, and in the file log. */
export const mutants: readonly Mutant[] = [
  // ---- the node
  {
    name: 'a proposal is answered when it is appended',
    file: 'node/proposals.ts',
    find: 'this.#callsOf(appended.term).set(appended.index, call);',
    replace: '(call as Call<unknown>).resolve({ ...appended, result: true });',
  },
  {
    name: 'a proposal is answered by whatever was committed at its index',
    file: 'node/proposals.ts',
    find: 'if (proposed === term) call.resolve',
    replace: 'if (proposed !== 0) call.resolve',
  },
  {
    name: 'a proposal whose deadline has passed is called refused',
    file: 'node/proposals.ts',
    find: 'call.reject(unknownOutcome(why));',
    replace: 'call.reject(why);',
  },
  {
    name: 'answers are crossed between the callers of a batch',
    file: 'node/raft-node.ts',
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
    name: 'an entry is left out after a restart',
    file: 'node/start/align-stores.ts',
    find: 'const held = (await machine.open?.(owner)) ?? 0;',
    replace: 'const held = Math.min(opened.committed, ((await machine.open?.(owner)) ?? 0) + 1);',
  },
  {
    name: 'a read is served before what it must see is applied',
    file: 'node/read-queue.ts',
    find: 'if (index > applied) continue;',
    replace: '',
  },
  {
    name: 'a read looks into the middle of an asynchronous apply',
    file: 'node/raft-node.ts',
    find: 'this.#reads.serve(this.#applier.busy ? -1 : this.#raft.log.applied);',
    replace: 'this.#reads.serve(this.#raft.log.committed);',
  },
  {
    name: 'mail does not wait for the write before it',
    file: 'node/driver.ts',
    find: 'if (output.after <= this.#raft.log.lastDurableWrite) this.#send(output.afterWrite);',
    replace: 'if (output.after > 0) this.#send(output.afterWrite);',
  },
  {
    name: 'a write counts as durable when it was handed over',
    file: 'node/driver.ts',
    find: 'written.then(',
    replace: 'void written.catch(() => {}); Promise.resolve().then(',
  },
  {
    name: 'a failed write is passed over',
    file: 'node/driver.ts',
    find: `      (error: Error) => this.#owner.failed(error),
    );
  }

  /** The ballot`,
    replace: `      () => {
        this.#persisted = Math.max(this.#persisted, number);
        this.schedule();
      },
    );
  }

  /** The ballot`,
  },
  {
    name: 'calls are forgotten when the node ends',
    file: 'node/proposals.ts',
    find: 'for (const call of calls.values()) call.reject(unknownOutcome(refused.cause));',
    replace: '',
  },
  {
    name: 'a deadline is forgotten',
    file: 'node/calls.ts',
    find: "call.abandon(new KontikiError('KONTIKI_TIMEOUT',",
    replace: "void (call as unknown, new KontikiError('KONTIKI_TIMEOUT',",
  },
  {
    name: 'what was appended is called refused when the node ends',
    file: 'node/proposals.ts',
    find: 'for (const call of calls.values()) call.reject(unknownOutcome(refused.cause));',
    replace: 'for (const call of calls.values()) call.reject(refused);',
  },
  {
    name: 'what the next leader replaced or kept is called refused when a leader steps down',
    file: 'node/proposals.ts',
    find: '    if (this.#queued.length === 0) return;',
    replace: `    if (raft.role !== 'leader') {
      for (const calls of this.#appended.values()) for (const call of calls.values()) call.reject(refusal('notLeader'));
      this.#appended.clear();
    }
    if (this.#queued.length === 0) return;`,
  },
  {
    name: 'a quorum that spoke for a read speaks for later ones too',
    file: 'node/read-queue.ts',
    find: 'if (waiting.ticket > ticket) break;',
    replace: '',
  },
  {
    name: 'a page that is read for the state machine begins one entry late',
    file: 'node/applier.ts',
    find: 'store.read(log.applied + 1, log.applicable, BATCH_BYTES)',
    replace: 'store.read(Math.min(log.applied + 2, log.applicable), log.applicable, BATCH_BYTES)',
  },
  {
    name: 'what is applied at once leaves its last command out',
    file: 'node/applier.ts',
    find: "const commands = entries.filter((entry): entry is CommandEntry => entry.kind === 'command');",
    replace:
      "const commands = entries.filter((entry, i): entry is CommandEntry => entry.kind === 'command' && (i < 8 || i < entries.length - 1));",
  },

  // ---- the wire
  {
    name: 'the checksum of a frame is not looked at',
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
    name: 'a failed sync is passed over',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'await segment.file.datasync();',
    replace: 'await segment.file.datasync().catch(() => {});',
  },
  {
    name: 'open does not sync what it found',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (torn > from || !proven) await file.datasync();',
    replace: '',
  },
  {
    name: 'open syncs what it found and does not write it again',
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
    name: 'writing goes on behind a torn end',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'file.write(new Uint8Array(torn - from), from);',
    replace: 'this.#end = (torn + 7) & ~7;',
  },
  {
    name: 'damage in the middle is taken for the end',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (later !== undefined)',
    replace: 'if (later === null)',
  },
  {
    name: 'the end of a segment is not compared with what the next one says of it',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: `      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.tracker.last
    ) {`,
    replace: `      (this.#nextBatch = header.firstBatch) < 0
    ) {`,
    rare: {
      why: 'only a vote alone in the last batch of a segment is lost by it, and a bit hardly ever flips just there',
      test: 'packages/storage-fs/test/damage.test.ts',
    },
  },
  {
    name: 'the checksum of a batch is not looked at',
    package: 'storage-fs',
    file: 'batch.ts',
    find: 'if (crc32(bytes.subarray(begin + 4, end)) !== checksum) return undefined;',
    replace: '',
  },
  {
    name: 'a vote is not written',
    file: 'store/record.ts',
    find: 'return ballot.votedFor === undefined ? HAS_BALLOT : HAS_BALLOT | HAS_VOTE;',
    replace: 'return HAS_BALLOT;',
  },
  {
    name: 'a read does not see what replaces a suffix and waits to be written',
    file: 'store/group-commit.ts',
    find: 'until = Math.min(until, first);',
    replace: '',
    rare: {
      why: 'a leader reads what was durable before its vote was, or what it wrote itself, and a state machine what is durable',
      test: 'packages/storage-fs/test/conformance.test.ts',
    },
  },
  {
    name: 'a replaced entry stays in the index',
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
      why: 'a process must be killed between the rename of a segment and the sync behind it',
      test: 'packages/storage-fs/test/conformance.test.ts',
    },
  },
  {
    name: 'a batch is marked as synced before it is',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);',
    replace: `segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);
      segment.file.write(encodeBatch(this.#nextBatch + 1, segment.salt, []), this.#end + length);`,
  },
  {
    name: 'what open found is marked as synced before it is',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: 'if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);',
    replace: `if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);
    if (!proven) file.write(encodeBatch(this.#nextBatch, salt, []), end);`,
  },
  {
    name: 'a segment gets its name before its contents are synced',
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
    name: 'the terms of what was replaced stay',
    file: 'store/log-state-tracker.ts',
    find: 'while ((this.#terms.at(-1)?.index ?? 0) >= from) this.#terms.pop();',
    replace: 'while ((this.#terms.at(-1)?.index ?? 0) > from) this.#terms.pop();',
  },
  {
    name: 'a new term without a vote is not written',
    file: 'store/record.ts',
    find: 'if (ballot === undefined) return 0;\n  return ballot.votedFor === undefined ? HAS_BALLOT',
    replace: 'if (ballot?.votedFor === undefined) return 0;\n  return ballot.votedFor === undefined ? HAS_BALLOT',
  },
  {
    name: 'damage is taken for the place where the log ends',
    package: 'storage-fs',
    file: 'recovery.ts',
    find: `      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.tracker.last
    ) {`,
    replace: `      ((this.#nextBatch = header.firstBatch), (this.#end = header.previousEnd), this.tracker.restore({ ...checkpoint, base: this.tracker.base })) !== undefined
    ) {`,
  },
];
