import type { Mutant } from './mutant.js';

const PROTOCOL = 'packages/core/test/protocol/forwarding.test.ts';
const NODE = 'packages/core/test/node/forwarding.test.ts';

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

/** Bugs in how a node waits for the outcomes of the proposals that it has forwarded. */
export const nodeMutants: readonly Mutant[] = [
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
