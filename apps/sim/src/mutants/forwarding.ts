import type { Mutant } from './mutant.js';

const PROTOCOL = 'packages/core/test/protocol/forwarding.test.ts';
const NODE = 'packages/core/test/node/forwarding.test.ts';
const DELEGATION = 'packages/core/test/node/delegation.test.ts';
const DELEGATED = 'packages/core/test/node/delegated-calls.test.ts';

/** Bugs in how servers forward proposals to the leader. */
export const protocolMutants: readonly Mutant[] = [
  {
    name: 'a forwarded proposal that arrives twice is appended twice',
    file: 'protocol/forwarded.ts',
    find: 'if (newest?.incarnation === incarnation && ticket <= newest.ticket) return false;',
    replace: 'if (newest?.incarnation === incarnation && ticket < 0) return false;',
  },
  {
    name: 'only the newest store of each server is remembered',
    file: 'protocol/forwarded.ts',
    find: 'this.#newest.set(sender, { starts, incarnation, ticket });',
    replace: 'this.#newest.clear();\n    this.#newest.set(sender, { starts, incarnation, ticket });',
  },
  {
    name: 'a restarted server refuses what an earlier start of it has appended',
    file: 'protocol/forwarded.ts',
    find: 'if (term <= this.#startTerm) return false;',
    replace: 'if (term < 0 * this.#startTerm) return false;',
    rare: { why: 'A message must arrive again after a restart, and the first answer must be lost.', test: PROTOCOL },
  },
  {
    name: 'a command of a longer message is appended and refused',
    file: 'protocol/forwarded.ts',
    find: "if (typeof outcome === 'string') refused = outcome;",
    replace: "if (typeof outcome === 'string' || commands.length > 1) refused = 'notLeader';",
  },
];

/** Bugs in how a node waits for the outcomes of the proposals and calls that it has forwarded. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: 'a leader performs a delegated call again when it arrives again',
    file: 'protocol/forwarded.ts',
    find: 'servers.has(from) !== true || !this.#isFirst(from, message)) return;\n    if (leader === id',
    replace: 'servers.has(from) !== true) return;\n    if (leader === id',
    rare: { why: 'the worlds do not check the effect of each membership change', test: DELEGATED },
  },
  {
    name: 'a delegated call without an outcome counts as never sent',
    file: 'node/members/delegator.ts',
    find: 'delegated.isSent = true;\n      silence.end(raft.now);',
    replace: '',
  },
  {
    name: 'a call that a new leader performs counts as never sent',
    file: 'node/members/delegator.ts',
    find: 'return this.#performHere(delegated, hasSteps ? options.timeout : left);',
    replace: 'return perform(this.#parts.leader, call, options);',
    rare: { why: 'a server must be elected after a call, and lose its quorum before the commit', test: DELEGATION },
  },
  {
    name: 'a server waits forever for a leader that does not report',
    file: 'node/members/delegator.ts',
    find: 'outcome !== undefined || silence.isTooLong();',
    replace: 'outcome !== undefined;',
    rare: { why: 'operators in the worlds do not wait for outcomes', test: DELEGATION },
  },
  {
    name: 'a leader continues a delegated call that was aborted',
    file: 'node/members/delegated-calls.ts',
    find: 'place.incarnation === incarnation && place.ticket === ticket)',
    replace: 'place.incarnation === incarnation && place.ticket === -ticket)',
    rare: { why: 'operators in the worlds do not abort calls', test: DELEGATED },
  },
  {
    name: 'a leader continues the calls of a server that has stopped',
    file: 'node/members/delegated-calls.ts',
    find: 'if (this.#hasStopped(call)) call',
    replace: 'if (this.#hasStopped(call) && false) call',
    rare: { why: 'the calls of the worlds have a time limit', test: DELEGATED },
  },
  {
    name: 'a call of several steps is made again after some of its steps',
    file: 'node/members/delegator.ts',
    find: "error.code === 'KONTIKI_ABORTED' || (hasSteps && isNextLeaders)",
    replace: "error.code === 'KONTIKI_ABORTED'",
    rare: { why: 'operators of the worlds make no such calls', test: DELEGATION },
  },
  {
    name: 'a proposal without an answer counts as never sent',
    file: 'node/calls/proposals.ts',
    find: 'this.#reject(proposal, wasSent ? unknownOutcome(why, SENT) : why);',
    replace: 'this.#reject(proposal, wasSent && false ? unknownOutcome(why, SENT) : why);',
  },
  {
    name: 'all proposals of a message take the result of its first one',
    file: 'node/calls/forwarding.ts',
    find: 'this.#answers.appended(proposal, { index: index + i, term });',
    replace: 'this.#answers.appended(proposal, { index, term });',
    rare: { why: 'Several clients must send a command to one follower at the same time.', test: NODE },
  },
  {
    name: 'an entry of another term counts as the own one',
    file: 'node/calls/proposals.ts',
    find: 'else if (outcome.term === term) call.resolve',
    replace: 'else if (outcome.term > 0) call.resolve',
    rare: { why: 'An answer must arrive after another entry was applied at its index.', test: NODE },
  },
];
