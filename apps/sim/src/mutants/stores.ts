import type { Mutant } from './mutant.js';

const ALGEBRA = 'packages/core/test/log/membership-change.test.ts';
const STORES = 'packages/core/test/protocol/stores.test.ts';

/** Bugs in how a cluster is founded, and in how a server's disk is identified. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a lost disk that was bootstrapped again counts',
    file: 'protocol/raft-server.ts',
    find: 'return !founded || recorded === undefined || recorded === store;',
    replace: 'return founded || recorded === store || recorded !== store;',
  },
  {
    name: 'a lost disk that was bootstrapped again counts for commits',
    file: 'protocol/voters.ts',
    find: 'return progress !== undefined && !progress.isExcluded && server.trusts(id, progress.store);',
    replace: 'return progress !== undefined && !progress.isExcluded;',
  },
  {
    name: 'the vote of a lost disk that was bootstrapped again counts',
    file: 'protocol/candidates.ts',
    find: 'if (this.server.trusts(from, store)) this.count(from, granted);',
    replace: 'if (store !== 0) this.count(from, granted);',
  },
  {
    name: 'a cluster that is not founded decides by majority',
    file: 'protocol/quorum.ts',
    find: 'return founded ? Math.floor(voters.length / 2) + 1 : voters.length;',
    replace: 'return Math.floor(voters.length / 2) + (founded ? 1 : 1);',
  },
  {
    name: 'the founding ends before the stores are committed',
    file: 'protocol/founding.ts',
    find: 'founded: founded || areRecorded,',
    replace: 'founded: founded || areRecorded || true,',
    rare: { why: 'The disk must be lost between two messages of the founding.', test: STORES },
  },
  {
    name: 'a store that was lost before the founding is not recorded again',
    file: 'protocol/founding.ts',
    find: 'const recorded = founded ? servers.get(voter)?.store : undefined;',
    replace: 'const recorded = founded ? servers.get(voter)?.store : servers.get(voter)?.store;',
    rare: { why: 'The disk must be lost between two messages of the founding.', test: STORES },
  },
  {
    name: 'a server campaigns although its own disk does not count',
    file: 'protocol/raft-server.ts',
    find: 'if (!votes || this.diskStalled || !this.ownDiskCounts || this.#unreadable !== undefined) return false;',
    replace: 'if (!votes || this.diskStalled || this.#unreadable !== undefined) return false;',
  },
  {
    name: 'a promoted server is a voter without a store',
    file: 'log/membership-change.ts',
    find: 'current.servers.get(id)?.store : storeOf(id)',
    replace: 'current.servers.get(id)?.store : info.store',
    rare: {
      why: 'The leader records the missing store at once, and no disk is lost together with churn.',
      test: STORES,
    },
  },
  {
    name: 'a demoted voter counts with any disk during the joint phase',
    file: 'log/membership-change.ts',
    find: 'stores.has(id) ? { ...info, store: stores.get(id) } : info',
    replace: 'info',
    rare: { why: 'No disk is lost together with churn.', test: ALGEBRA },
  },
  {
    name: 'a voter exchanges its disk in one change',
    file: 'log/membership-change.ts',
    find: 'current.voters.includes(id) ? current.servers.get(id)?.store : storeOf(id)',
    replace: 'storeOf(id)',
    rare: { why: 'No disk is lost together with churn.', test: ALGEBRA },
  },
  {
    name: 'messages from an earlier copy of a disk are processed',
    file: 'protocol/step.ts',
    find: 'if (!server.lives.accepts(from, message)) return;',
    replace: 'server.lives.accepts(from, message);',
  },
];
