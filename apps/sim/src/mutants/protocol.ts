import type { Mutant } from './mutant.js';
import { mutants as membership } from './membership.js';
import { protocolMutants as forwarding } from './forwarding.js';
import { protocolMutants as lease } from './lease.js';
import { protocolMutants as logTime } from './log-time.js';
import { mutants as stores } from './stores.js';
import { mutants as turns } from './turns.js';

/**
 * Bugs that Raft implementations have had or could have. Each of them must be found within a few
 * worlds.
 */
export const mutants: readonly Mutant[] = [
  // ---- votes and terms
  {
    name: 'a vote is not persisted',
    file: 'protocol/raft-server.ts',
    find: 'take({ number, ballot, reset, entries,',
    replace: 'take({ number, ballot: ballot && { term: ballot.term, votedFor: undefined }, reset, entries,',
  },
  {
    name: 'a new term is not persisted',
    file: 'protocol/raft-server.ts',
    find: 'take({ number, ballot, reset, entries,',
    replace: 'take({ number, ballot: undefined, reset, entries,',
  },
  {
    name: 'a vote request is sent before the term is durable',
    file: 'protocol/candidates.ts',
    find: 'for (const to of this.others()) output.sendAfterWrite(to,',
    replace: 'for (const to of this.others()) output.send(to,',
  },
  {
    name: 'a vote is sent before it is durable',
    file: 'protocol/votes.ts',
    find: "server.output.sendAfterWrite(from, { kind: 'voteReply',",
    replace: "server.output.send(from, { kind: 'voteReply',",
  },
  {
    name: 'a server votes twice in a term',
    file: 'protocol/raft-server.ts',
    find: 'this.#ballot = ballot;\n    this.#header',
    replace:
      'this.#ballot = ballot.votedFor === this.id ? ballot : { term: ballot.term, votedFor: undefined };\n    this.#header',
  },
  {
    name: 'a vote compares only the lengths of the logs',
    file: 'log/raft-log.ts',
    find: 'return other.term > term || (other.term === term && other.index >= index);',
    replace: 'return other.index >= index;',
  },
  {
    name: 'a vote does not compare the logs',
    file: 'protocol/votes.ts',
    find: 'return !log.blank && log.isUpToDate({ index: lastIndex, term: lastTerm });',
    replace: 'return !log.blank;',
  },
  {
    name: 'half of the votes win an election',
    file: 'protocol/quorum.ts',
    find: 'const enough = needed(ids, founded);',
    replace: 'const enough = Math.max(1, needed(ids, founded) - 1);',
  },
  {
    name: 'votes of earlier terms count',
    file: 'protocol/step.ts',
    find: 'message.term < server.ballot.term && !SURVIVES_ITS_TERM.has(message.kind)',
    replace:
      "message.term < server.ballot.term && !SURVIVES_ITS_TERM.has(message.kind) && message.kind !== 'voteReply'",
  },
  {
    name: 'a duplicated vote counts twice',
    file: 'protocol/candidates.ts',
    find: 'this.#votes.set(voter, granted);',
    replace: `
    this.#votes.set(voter, granted);
    const double = [...this.others()].find((id) => !this.#votes.has(id));
    if (granted && this.again === voter && double !== undefined) this.#votes.set(double, true);
    this.again = voter;`,
  },
  {
    name: 'a pre-vote raises the term',
    file: 'protocol/step.ts',
    find: "if (message.kind === 'preVote') return answerPreVote(server, from, message);",
    replace: `if (message.kind === 'preVote') {
      if (message.term + 1 > server.ballot.term) server.follow(message.term + 1, undefined);
      return answerPreVote(server, from, message);
    }`,
  },
  {
    name: 'starting a pre-vote clears the vote',
    file: 'protocol/raft-server.ts',
    find: '    const role = new PreCandidate(this);',
    replace:
      '    if (!this.log.blank) this.#ballot = { term: this.#ballot.term, votedFor: undefined };\n    const role = new PreCandidate(this);',
  },
  {
    name: 'pre-votes count as votes',
    file: 'protocol/candidates.ts',
    find: 'override voteReply(from: ServerId, message: VoteReply): void {',
    replace: `override preVoteReply(from, message) {
      this.count(from, message.granted);
    }
    override voteReply(from: ServerId, message: VoteReply): void {`,
  },
  {
    name: 'a leader ignores higher terms in replies',
    file: 'protocol/step.ts',
    find: 'if (message.term > server.ballot.term) {',
    replace: "if (message.term > server.ballot.term && !(server.role.name === 'leader' && 'to' in message)) {",
  },
  {
    name: 'a leader without a quorum does not step down',
    file: 'protocol/leader.ts',
    find: 'if (hasQuorum(this.#server, this.peers, this.#server.membership, mayAnswer)) this.#server.forgiveLateTimer(false);',
    replace: 'if (true) this.#server.forgiveLateTimer(false);',
  },
  {
    name: 'election timeouts are not randomized',
    file: 'protocol/raft-server.ts',
    find: 'return this.timings.election * (1 + this.#random());',
    replace: 'return this.timings.election;',
  },
  {
    name: 'a follower campaigns while the leader is alive',
    file: 'protocol/follower.ts',
    find: 'this.#server.forgiveLateTimer(false);\n    this.restartTimer();',
    replace: 'this.#server.forgiveLateTimer(false);',
  },
  {
    name: 'a follower accepts appends of earlier terms',
    file: 'protocol/step.ts',
    find: 'message.term < server.ballot.term && !SURVIVES_ITS_TERM.has(message.kind)',
    replace: "message.term < server.ballot.term && !SURVIVES_ITS_TERM.has(message.kind) && message.kind !== 'append'",
  },
  {
    name: 'replies to an earlier incarnation are counted',
    file: 'protocol/step.ts',
    find: "if ('to' in message && message.to !== server.incarnation) return;",
    replace: '',
  },
  // ---- replication
  {
    name: 'a leader counts its entries before they are durable',
    file: 'protocol/leader.ts',
    find: 'voter === id ? log.durable :',
    replace: 'voter === id ? log.lastIndex :',
  },
  {
    name: 'entries are acknowledged before they are durable',
    file: 'protocol/follower.ts',
    find: "output.sendAfterWrite(from, { kind: 'appendAccepted', ...header, to, stream, match, full",
    replace: "output.send(from, { kind: 'appendAccepted', ...header, to, stream, match, full",
  },
  {
    name: 'a leader commits entries of earlier terms by counting replicas',
    file: 'protocol/leader.ts',
    find: 'if (held <= log.committed || log.termAt(held) !== ballot.term) return;',
    replace: 'if (held <= log.committed) return;',
  },
  {
    name: 'a commit needs only half of the voters',
    file: 'protocol/quorum.ts',
    find: 'return ascending[ids.length - needed(ids, founded)] ?? 0;',
    replace: 'return ascending[ids.length - Math.max(1, needed(ids, founded) - 1)] ?? 0;',
  },
  {
    name: 'every append truncates the log',
    file: 'protocol/follower.ts',
    find: 'entries.findIndex((entry) => log.termAt(entry.index) !== entry.term)',
    replace: 'entries.length - entries.length',
  },
  {
    name: 'conflicting entries are not truncated',
    file: 'protocol/follower.ts',
    find: 'entries.findIndex((entry) => log.termAt(entry.index) !== entry.term)',
    replace: 'entries.findIndex((entry) => entry.index > log.lastIndex)',
  },
  {
    name: 'the term of the previous entry is not checked',
    file: 'protocol/follower.ts',
    find: 'if (log.termAt(prevIndex) !== prevTerm) {',
    replace: 'if (log.termAt(prevIndex) === undefined) {',
  },
  {
    name: 'a new leader keeps the match indices of its earlier leadership',
    file: 'protocol/replication.ts',
    find: 'for (const { membership } of server.log.liveMemberships) this.#add(membership.servers.keys());',
    replace: `
    if (server.log.kept !== undefined) this.#peers = server.log.kept;
    else for (const { membership } of server.log.liveMemberships) this.#add(membership.servers.keys());
    server.log.kept = this.#peers;`,
  },
  {
    name: 'entries count as matched when they are sent',
    file: 'protocol/progress.ts',
    find: 'this.#next = last + 1;\n    }',
    replace: 'this.#next = last + 1;\n      this.#match = last;\n    }',
  },
  {
    name: 'a match index can decrease',
    file: 'protocol/progress.ts',
    find: 'if (match > this.#match) this.#match = match;',
    replace: 'this.#match = match;',
  },
  {
    name: 'a follower commits up to its own last entry',
    file: 'protocol/follower.ts',
    find: 'this.#commitTo(Math.min(message.committed, end));',
    replace: 'this.#commitTo(Math.min(message.committed, log.lastIndex));',
    equivalent:
      'conflict hints never point below the last common entry, so the first matching append contains the entry after it and removes every conflicting entry',
  },
  {
    name: 'the commit index can decrease',
    file: 'protocol/follower.ts',
    find: 'if (index > this.#server.log.committed) this.#server.log.commitTo(index);',
    replace: 'this.#server.log.commitTo(index);',
  },
  {
    name: 'the commit index can decrease without a failed assertion',
    file: 'log/raft-log.ts',
    find: '    invariant(index >= this.#committed, () => `the commit index was to go back from ${this.#committed} to ${index}`);\n',
    replace: '    index -= index % 7 === 0 ? 1 : 0;\n',
  },
  {
    name: 'a follower acknowledges its own last entry',
    file: 'protocol/follower.ts',
    find: 'const match = Math.max(end, log.committed);',
    replace: 'const match = log.lastIndex;',
    equivalent:
      'once an append has matched, the rest of the log is from the same leader, and the reply is sent only when the whole log is durable',
  },
  {
    name: 'a heartbeat carries a commit index beyond the match index',
    file: 'protocol/replication.ts',
    find: 'const committed = this.#noteCommitSent(progress, progress.match);',
    replace: 'const committed = this.#noteCommitSent(progress, Infinity);',
  },
  {
    name: 'a new leader appends no entry of its own term',
    file: 'protocol/leader.ts',
    find: "log.append({ kind: 'noop', index: log.lastIndex + 1, term: ballot.term, time: server.stamp() });",
    replace: '',
  },
  {
    name: 'replaced entries count as durable until the write is issued',
    file: 'log/raft-log.ts',
    find: 'this.#writes.durable(this.#changed)',
    replace: 'this.#writes.durable(Infinity)',
    equivalent:
      'a turn issues its write before it reads the durable index, and an append with committed replacements follows a rejection, which is sent only after every earlier write has finished',
  },
  {
    name: 'replaced entries count as durable until the write finishes',
    file: 'log/write-tracker.ts',
    find: 'for (const write of this.#pending) durable = Math.min(durable, write.from - 1);',
    replace: '',
  },
  {
    name: 'a server applies committed entries before they are durable',
    file: 'log/raft-log.ts',
    find: 'return Math.min(this.#committed, this.durable);',
    replace: 'return this.#committed;',
  },
  {
    name: 'entries read for an earlier position are sent',
    file: 'protocol/replication.ts',
    find: 'if (progress.ready && progress.next === read.from) this.#append(',
    replace: 'if (progress.ready) this.#append(',
  },
  {
    name: 'a leader truncates its own log',
    file: 'protocol/leader.ts',
    find: 'progress.onHeartbeatReply(this.#server.now, this.#server.timings.heartbeat);',
    replace: `progress.onHeartbeatReply(this.#server.now, this.#server.timings.heartbeat);
    const { log, ballot } = this.#server;
    if (log.lastIndex > log.committed + 5) {
      log.truncate(log.lastIndex);
      log.append({ kind: 'noop', index: log.lastIndex + 1, term: ballot.term });
    }`,
  },
  {
    name: 'lost appends are never sent again',
    file: 'protocol/progress.ts',
    find: "if (this.state === 'replicate') this.nudge = this.window.size > 0 && this.#matchAtHeartbeat === this.#match;",
    replace: '',
  },
  {
    name: 'a lost probe is never sent again',
    file: 'protocol/progress.ts',
    find: '    this.#heartbeatRepliedAt = now;\n    this.waiting = false;',
    replace: '    this.#heartbeatRepliedAt = now;',
  },
  ...membership,
  ...stores,
  ...lease,
  ...logTime,
  ...forwarding,
  ...turns,
];
