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
    file: 'node/join.ts',
    find: 'const held = (await machine.open?.(owner)) ?? 0;',
    replace: 'const held = Math.max(0, ((await machine.open?.(owner)) ?? 0) - 1);',
  },
  {
    name: 'an entry is left out after a restart',
    file: 'node/join.ts',
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
    find: 'if (output.after <= this.#raft.log.finished) this.#send(output.afterWrite);',
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
      checkpoint.last !== this.ledger.last
    ) {`,
    replace: `      (this.#nextBatch = header.firstBatch) < 0
    ) {`,
    equivalent:
      'entries that are missing leave a gap, which is refused; what remains is a vote alone in the last batch of a segment, and a bit hardly ever flips just there: the damage test flips every byte',
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
    package: 'storage-fs',
    file: 'record.ts',
    find: 'return ballot.votedFor === undefined ? HAS_BALLOT : HAS_BALLOT | HAS_VOTE;',
    replace: 'return HAS_BALLOT;',
  },
  {
    name: 'a read does not see what replaces a suffix and waits to be written',
    package: 'storage-fs',
    file: 'appender.ts',
    find: 'until = Math.min(until, first);',
    replace: '',
    equivalent:
      'a leader reads what was durable before its vote was, or what it wrote itself, and a state machine what is durable; the conformance suite holds the rule',
  },
  {
    name: 'a replaced entry stays in the index',
    package: 'storage-fs',
    file: 'entry-index.ts',
    find: 'else run.last = index - 1;',
    replace: 'else return cut;',
  },

  // ---- snapshots
  {
    name: 'a start keeps a log that contradicts the snapshot',
    file: 'node/join.ts',
    find: 'const meets = holds(opened, snapshot);',
    replace: 'const meets = opened.last >= last.index || holds(opened, snapshot);',
  },
  {
    name: 'a start skips what the snapshot holds',
    file: 'node/join.ts',
    find: 'if (held < last.index && snapshots !== undefined) {',
    replace: 'if (held < 0 && snapshots !== undefined) {',
  },
  {
    name: 'an entry is applied again behind a snapshot',
    file: 'node/join.ts',
    find: 'applied: Math.max(held, last.index),',
    replace: 'applied: Math.max(held, last.index - 1),',
  },
  {
    name: 'a start takes a log that begins behind the snapshot',
    file: 'node/join.ts',
    find: 'if (applied < state.base.index) {',
    replace: 'if (applied < -1) {',
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
    find: 'const installs = !log.includes(meta.last);',
    replace: 'const installs = true;',
  },
  {
    name: 'the term lies beyond a snapshot’s last entry',
    file: 'protocol/replication.ts',
    find: 'if (next <= log.base.index) {\n        this.#needSnapshot(id, progress);\n        break;',
    replace: 'if (next < log.base.index) {\n        this.#needSnapshot(id, progress);\n        break;',
  },
  {
    name: 'a log that a snapshot replaces is not reset on the disk',
    file: 'node/driver.ts',
    find: 'this.#log.reset({ ...reset, origin: this.#origin }),',
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
    file: 'file-writer.ts',
    find: 'await this.#file.datasync();\n      await this.#file.close();',
    replace: 'await this.#file.close();',
  },
  {
    name: 'the name of a snapshot is not synced',
    package: 'snapshot',
    file: 'file-writer.ts',
    find: 'await this.#folder.sync().catch(async (error: unknown) => {',
    replace: 'await Promise.resolve().catch(async (error: unknown) => {',
  },
  {
    name: 'the index of a state is kept before the state',
    package: 'testing',
    file: 'workload/key-value-machine.ts',
    find: 'const kept: Kept = { through: this.#through,',
    replace: 'const kept: Kept = { through: this.#through + 1,',
  },
];
