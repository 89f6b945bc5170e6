import type { Mutant } from './mutant.js';

/**
 * Bugs in turns, reads and limits. Each of them must be found by the fast world, which simulates
 * the protocol alone.
 */
export const mutants: readonly Mutant[] = [
  // ---- turns
  {
    name: 'held messages are sent before their write is durable',
    file: 'protocol/raw-node.ts',
    find: 'if (held.after > this.#lastWritten) break;',
    replace: '',
  },
  {
    name: 'finishing a write also finishes the next write',
    file: 'protocol/raw-node.ts',
    find: 'this.#lastWritten = Math.max(this.#lastWritten, number);',
    replace: 'this.#lastWritten = Math.min(Math.max(this.#lastWritten, number + 1), this.raft.log.lastIssuedWrite);',
  },
  {
    name: 'finishing a write finishes only the writes before it',
    file: 'protocol/raw-node.ts',
    find: 'this.#lastWritten = Math.max(this.#lastWritten, number);',
    replace: 'this.#lastWritten = Math.max(this.#lastWritten, number - 1);',
  },
  {
    name: 'a late turn checks its timers immediately',
    file: 'protocol/raw-node.ts',
    find: 'const postpone = late && !this.#timersPostponed;',
    replace: 'const postpone = false;',
  },
  {
    name: 'late turns are treated as on time',
    file: 'protocol/raw-node.ts',
    find: 'const late = now > this.#plannedAt + this.raft.timings.heartbeat;',
    replace: 'const late = false;',
  },
  {
    name: 'a stalled process does not forgive its late timer',
    file: 'protocol/raw-node.ts',
    find: 'if (!postpone) this.raft.tick(late || this.#timersPostponed);',
    replace: 'if (!postpone) this.raft.tick(false);',
  },
  {
    name: 'a follower that hears its leader does not forgive the next stall',
    file: 'protocol/follower.ts',
    find: 'this.#server.forgiveLateTimer(false);',
    replace: '',
  },
  {
    name: 'a leader whose quorum answers does not forgive the next stall',
    file: 'protocol/leader.ts',
    find: 'if (hasQuorum(this.#server, this.peers, this.#server.membership, mayAnswer)) this.#server.forgiveLateTimer(false);',
    replace: 'if (hasQuorum(this.#server, this.peers, this.#server.membership, mayAnswer)) void 0;',
  },
  {
    name: 'a page read from the log is not passed to the protocol',
    file: 'protocol/raw-node.ts',
    find: 'for (const { read, entries } of pages) this.raft.pageRead(read, entries);',
    replace: 'void pages;',
  },
  // ---- reads
  {
    name: 'a read is served without a quorum',
    file: 'protocol/reads.ts',
    find: 'if (round === undefined || answered < round.number) return undefined;',
    replace: 'if (round === undefined) return undefined;',
  },
  {
    name: 'a read is served before the leader commits in its own term',
    file: 'protocol/leader.ts',
    find: 'if (log.termAt(log.committed) === ballot.term && this.#rounds.start(log.committed)) {',
    replace: 'if (this.#rounds.start(log.committed)) {',
  },
  {
    name: 'replies to earlier heartbeats confirm a read',
    file: 'protocol/reads.ts',
    find: 'this.#number += 1;\n    this.#round',
    replace: 'this.#number = 1;\n    this.#round',
  },
  {
    name: 'a read does not wait for committed entries',
    file: 'protocol/reads.ts',
    find: 'index: committed, askers',
    replace: 'index: 0, askers',
  },
  {
    name: 'a lost read index request is never sent again',
    file: 'protocol/follower.ts',
    find: 'Infinity : this.#askedAt + timings.heartbeat;',
    replace: 'Infinity : this.#askedAt === -Infinity ? -Infinity : Infinity;',
  },
  // ---- limits and message storms
  {
    name: 'the window of messages in flight is unlimited',
    file: 'protocol/window.ts',
    find: 'return this.#sent.length >= this.#maxMessages || this.#bytes >= this.#maxBytes;',
    replace: 'return false;',
  },
  {
    name: 'proposals are never refused',
    file: 'protocol/leader.ts',
    find: 'const fits = (held: number, limit: number): boolean => held === 0 || held + bytes <= limit;',
    replace: 'const fits = (held: number, limit: number): boolean => true;',
  },
  {
    name: 'a leader with a slow disk keeps accepting proposals',
    file: 'protocol/leader.ts',
    find: 'fits(log.undurableBytes, limits.undurableBytes) &&',
    replace: '',
  },
  {
    name: 'a follower with a slow disk keeps accepting entries',
    file: 'protocol/follower.ts',
    find: 'if (log.undurableBytes > limits.undurableBytes) return false;',
    replace: '',
  },
  {
    name: 'entries are never evicted from memory',
    file: 'log/raft-log.ts',
    find: 'this.#tail.evict(this.applicable, this.#tailBytes);',
    replace: '',
  },
  {
    name: 'an unchanged commit index is sent repeatedly',
    file: 'protocol/replication.ts',
    find: 'if (committed <= progress.committedSent) return;',
    replace: '',
  },
  {
    name: 'a follower forwards a waiting read in every turn',
    file: 'protocol/follower.ts',
    find: 'if (reads.open === undefined || leader === undefined || now < this.#askAt) return;',
    replace: 'if (leader === undefined) return;',
  },
  {
    name: 'a heartbeat reply triggers another heartbeat',
    file: 'protocol/leader.ts',
    find: 'progress.round = Math.max(progress.round, message.round);',
    replace: 'progress.round = Math.max(progress.round, message.round);\n    this.#heartbeatAt = 0;',
  },
  // ---- disks and state machines that cannot keep up
  {
    name: 'a leader with a stalled disk keeps leading',
    file: 'protocol/leader.ts',
    find: "if (this.#server.diskStalled && log.committed > log.durable) return this.#stepDown('diskStalled');",
    replace: '',
  },
  {
    name: 'a leader accepts proposals however long its machine has been behind',
    file: 'protocol/leader.ts',
    find: 'this.#backlog.age(now) <= limits.unappliedMs &&',
    replace: '',
  },
  {
    name: 'a leader accepts proposals however many bytes are not applied',
    file: 'protocol/leader.ts',
    find: 'fits(this.#backlog.bytes, limits.unappliedBytes)',
    replace: 'true',
  },
  {
    name: 'a full leader trusts answers that are older than its full disk',
    file: 'protocol/disk-room.ts',
    find: 'progress.roomRound >= this.#since.round',
    replace: 'true',
  },
  {
    name: 'a server with a full disk never campaigns',
    file: 'protocol/raft-server.ts',
    find: 'return !this.full || this.now - this.#ledAt > FULL_PATIENCE * this.timings.election;',
    replace: 'return !this.full;',
  },
];
