import type { Mutant } from './mutant.js';

const CHANGES = 'packages/core/test/protocol/membership-changes.test.ts';
const LEVELS = 'packages/core/test/protocol/levels.test.ts';
const TRANSFERS = 'packages/core/test/protocol/transfers.test.ts';

/** Bugs in membership changes, feature levels and leadership transfers. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a change of several voters has no joint phase',
    file: 'log/membership-change.ts',
    find: 'arriving.length + leaving.length > 1 ?',
    replace: 'arriving.length + leaving.length > 99 ?',
  },
  {
    name: 'only the new half of a joint membership counts for commits',
    file: 'protocol/quorum.ts',
    find: 'return Math.min(reachedByEnough(voters, founded, reached), reachedByEnough(outgoing, founded, reached));',
    replace: 'return reachedByEnough(voters, founded, reached);',
  },
  {
    name: 'only the new half of a joint membership counts in elections',
    file: 'protocol/quorum.ts',
    find: 'if (incoming === leaving) return incoming;',
    replace: 'return incoming;',
  },
  {
    name: 'a joint phase ends before it is committed',
    file: 'protocol/leader.ts',
    find: 'if (log.membershipIndex > log.committed || log.termAt(log.committed) !== ballot.term) return;',
    replace: 'if (log.termAt(log.committed) !== ballot.term) return;',
  },
  {
    name: 'a membership is changed before an entry of the own term is committed',
    file: 'protocol/changes.ts',
    find: "if (log.termAt(log.committed) !== ballot.term) return refuse('notReady');",
    replace: '',
    rare: {
      why: 'Two leaders, one after the other, must change the membership before either commits an entry.',
      test: CHANGES,
    },
  },
  {
    name: 'a membership is changed while another change is in progress',
    file: 'protocol/changes.ts',
    find: "if (membership.outgoing.length > 0 || log.membershipIndex > log.committed) return refuse('changing');",
    replace: "if (membership.outgoing.length > 0) return refuse('changing');",
  },
  {
    name: 'a membership stays in force after its entry was truncated',
    file: 'log/raft-log.ts',
    find: 'if (this.membershipIndex >= index) this.#memberships = this.#memberships.filter((at) => at.index < index);',
    replace: '',
  },
  {
    name: 'a membership is in force only once it is committed',
    file: 'log/raft-log.ts',
    find: 'return this.#memberships.at(-1)?.membership;',
    replace: 'return this.#memberships.findLast(({ index }) => index <= this.#committed)?.membership;',
  },
  {
    name: 'a removed leader leads on',
    file: 'protocol/leader.ts',
    find: '} else if (!isVoter(membership, id)) {',
    replace: '} else if (membership.voters.length === 0) {',
  },
  {
    name: 'a learner campaigns',
    file: 'protocol/raft-server.ts',
    find: 'const votes = this.log.liveMemberships.some(({ membership }) => isVoter(membership, this.id));',
    replace: 'const votes = this.log.liveMemberships.length > 0;',
  },
  {
    name: 'a server whose removal is not committed does not campaign',
    file: 'protocol/raft-server.ts',
    find: 'const votes = this.log.liveMemberships.some(({ membership }) => isVoter(membership, this.id));',
    replace: 'const votes = this.log.membership !== undefined && isVoter(this.log.membership, this.id);',
  },
  {
    name: 'new members receive nothing',
    file: 'protocol/replication.ts',
    find: 'this.#leaving = leaving;\n    this.#add(membership.servers.keys());',
    replace: 'this.#leaving = leaving;',
  },
  {
    name: 'a joint phase does not end',
    file: 'protocol/leader.ts',
    find: 'if (!full) this.#appendMembership(leaveJoint(membership));',
    replace: '',
  },
  {
    name: 'a server without the log becomes a voter',
    file: 'protocol/voters.ts',
    find: 'return progress?.level === undefined || match === 0 || match < log.lastIndex - MAX_LAG;',
    replace: 'return false;',
    rare: { why: 'A forced change by an operator is unsafe only together with a lost disk.', test: CHANGES },
  },
  {
    name: 'a peer that has not answered this leader counts for a new quorum',
    file: 'protocol/voters.ts',
    find: 'return progress?.incarnation !== 0 && mayAnswer(server, id, progress);',
    replace: 'return mayAnswer(server, id, progress);',
    rare: { why: 'A dead quorum is a mistake of the operator, who can correct it.', test: CHANGES },
  },
  {
    name: 'an acknowledgement from before a removal counts after the return',
    file: 'protocol/replication.ts',
    find: 'if (returned) this.#peers.delete(id);',
    replace: '',
    rare: { why: 'The disks of removed servers keep their entries in these worlds.', test: CHANGES },
  },
  {
    name: 'a voter counts as lost because of an answer from its time as a learner',
    file: 'protocol/leader.ts',
    find: '} else if (blank && progress.match === 0 && !progress.lost) {',
    replace: '} else if (blank && !progress.lost) {',
    rare: { why: 'The answer must be overtaken by a whole promotion.', test: CHANGES },
  },
  {
    name: 'every later term is exempt from the refusal of votes after a transfer',
    file: 'protocol/votes.ts',
    find: 'return transfer === true && term === current + 1;',
    replace: 'return transfer === true;',
    rare: { why: 'The voter must have missed a term.', test: TRANSFERS },
  },
  {
    name: 'a leader hands over before the target has the whole log',
    file: 'protocol/transfer.ts',
    find: 'progress === undefined || progress.match !== log.lastIndex',
    replace: 'progress === undefined',
    rare: { why: 'The target loses its election, which is safe.', test: TRANSFERS },
  },
  {
    name: 'a change of the members lowers the feature level',
    file: 'log/membership-change.ts',
    find: 'return { ...current, revision: current.revision + 1, voters,',
    replace: 'return { ...current, level: 1, revision: current.revision + 1, voters,',
  },
  {
    name: 'the level rises although a member has not been heard',
    file: 'protocol/levels.ts',
    find: "return silent.length === 0 ? undefined : refuse('silent', silent.join(', '));",
    replace: 'return undefined;',
  },
  {
    name: 'the level rises to what the leader reads',
    file: 'protocol/levels.ts',
    find: 'const level = Math.min(own, ...reads);',
    replace: 'const level = own;',
  },
  {
    name: 'a new incarnation of a server counts with the level of the one before',
    file: 'protocol/replication.ts',
    find: 'this.#peers.set(id, new Progress(draw, log.lastIndex + 1, now, limits));',
    replace:
      'const { level } = this.#peers.get(id) ?? {};\n    this.#peers.set(id, Object.assign(new Progress(draw, log.lastIndex + 1, now, limits), { level }));',
    rare: { why: 'The level must rise before the new incarnation answers a heartbeat.', test: LEVELS },
  },
  {
    name: 'a server that cannot read the level becomes a voter',
    file: 'protocol/changes.ts',
    find: "if (unable !== undefined) return refuse('unable', unable);",
    replace: '',
    rare: { why: 'The server must have the entries before those that it cannot read.', test: LEVELS },
  },
  {
    name: 'a server that cannot read its log campaigns',
    file: 'protocol/raft-server.ts',
    find: 'if (!votes || this.diskStalled || !this.ownDiskCounts || this.#unreadable !== undefined) return false;',
    replace: 'if (!votes || this.diskStalled || !this.ownDiskCounts) return false;',
    rare: { why: 'The server must be a voter, and lose its leader before it is upgraded.', test: LEVELS },
  },
  {
    name: 'an entry of an unknown kind is skipped',
    file: 'wire/entries.ts',
    find: 'entries.push(readEntry(kind & ~HAS_TIME, { index, term, time }, payload));',
    replace:
      'if ((kind & ~HAS_TIME) <= KIND.membership) entries.push(readEntry(kind & ~HAS_TIME, { index, term, time }, payload));',
    rare: { why: 'No version writes such entries yet.', test: 'packages/core/test/wire/newer.test.ts' },
  },
];
