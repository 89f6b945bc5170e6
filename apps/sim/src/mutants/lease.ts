import type { Mutant } from './mutant.js';

const LEASES = 'packages/core/test/protocol/leases.test.ts';
const LEASE_READS = 'packages/core/test/node/lease-reads.test.ts';

/** Bugs in leases that the fast world finds. */
export const protocolMutants: readonly Mutant[] = [
  {
    name: 'a restarted server may vote within the lease',
    file: 'protocol/lease-promise.ts',
    find: '    this.#server = server;\n    this.renew();',
    replace: '    this.#server = server;\n    this.#since = -Infinity;\n    this.#wallOffset = server.wallOffset;',
  },
  {
    name: 'a lease begins when the reply arrives',
    file: 'protocol/leader.ts',
    find: 'progress.behavior = message.behavior ?? 0;',
    replace: 'progress.behavior = message.behavior ?? 0;\n    this.#lease.noteSent(message.round);',
  },
  {
    name: 'any reply extends a lease to the newest heartbeat',
    file: 'protocol/lease.ts',
    find: 'this.#sent.findLast(({ round }) => round <= answered)',
    replace: 'this.#sent.findLast(() => answered > 0)',
  },
  {
    name: 'a lease has no margin for drifting clocks',
    file: 'protocol/lease.ts',
    find: 'const MARGIN = 0.25;',
    replace: 'const MARGIN = 0;',
    rare: { why: 'an election must end in the short time between the promises and the lease', test: LEASES },
  },
  {
    name: 'a lease continues after another server was asked to campaign',
    file: 'protocol/lease.ts',
    find: 'this.#gaveUp = true;',
    replace: '',
  },
  {
    name: 'the length of a lease counts before its entry is committed',
    file: 'protocol/lease.ts',
    find: 'log.membershipIndex > log.committed || log.termAt(log.committed)',
    replace: 'log.termAt(log.committed)',
    rare: { why: 'other rules make this harmless, because peers count only once they have the entry', test: LEASES },
  },
  {
    name: 'peers without the entry that sets the lease count for it',
    file: 'protocol/leader.ts',
    find: '(match < log.membershipIndex ? 0 : round)',
    replace: '(match < 0 ? 0 : round)',
    rare: { why: 'a peer must lack the entry while it answers heartbeats, and then vote', test: LEASES },
  },
  {
    name: 'a leader has a lease before it commits an entry of its own term',
    file: 'protocol/lease.ts',
    find: 'log.membershipIndex > log.committed || log.termAt(log.committed) !== ballot.term',
    replace: 'log.membershipIndex > log.committed',
  },
  {
    name: 'a server that enters a higher term may vote within the lease',
    file: 'protocol/raft-server.ts',
    find: 'this.#reported.clear();',
    replace: `{
      this.#reported.clear();
      const times = [-Infinity];
      const server = this;
      this.#promise = new LeasePromise({
        get now() { return times.pop() ?? server.now; },
        get wallOffset() { return server.wallOffset; },
      });
    }`,
    rare: {
      why: 'terms seldom rise by other messages than vote requests, which are ignored within the lease',
      test: LEASES,
    },
  },
  {
    name: 'a server votes within the lease in its current term',
    file: 'protocol/votes.ts',
    find: 'const allowed = server.mayVote || message.transfer === true;',
    replace: 'const allowed = true;',
    rare: {
      why: 'terms seldom rise by other messages than vote requests, which are ignored within the lease',
      test: LEASES,
    },
  },
  {
    name: 'a server votes for itself within the lease',
    file: 'protocol/raft-server.ts',
    find: 'return this.eligible && this.mayVote;',
    replace: 'return this.eligible;',
  },
  {
    name: 'a server votes at any time within the lease',
    file: 'protocol/raft-server.ts',
    find: 'return !this.#promise.holds(this.#longestLease);',
    replace: 'return true;',
  },
  {
    name: 'a server promises only by the newest membership',
    file: 'protocol/raft-server.ts',
    find: 'for (const { membership } of this.log.liveMemberships) longest = Math.max(longest, membership.leaseMs);',
    replace: 'longest = this.log.membership?.leaseMs ?? 0;',
    rare: { why: 'the newest entry must be one that no quorum has', test: LEASES },
  },
  {
    name: 'a server promises only by committed memberships',
    file: 'protocol/raft-server.ts',
    find: 'for (const { membership } of this.log.liveMemberships) longest = Math.max(longest, membership.leaseMs);',
    replace: 'longest = this.log.membershipAt(this.log.committed)?.membership.leaseMs ?? 0;',
    rare: { why: 'a commit index must arrive later than a vote request', test: LEASES },
  },
  {
    name: 'a leader does not notice that its machine was suspended',
    file: 'protocol/lease.ts',
    find: 'now - sent.at + Math.abs(wallOffset - sent.wallOffset)',
    replace: 'now - sent.at',
  },
  {
    name: 'a server does not notice that its monotonic clock jumped',
    file: 'protocol/lease-promise.ts',
    find: 'if (Math.abs(this.#server.wallOffset - this.#wallOffset) > leaseMs * TOLERANCE) this.renew();',
    replace: '',
    rare: { why: 'a leader must be elected before the next heartbeat after the jump', test: LEASES },
  },
];

/** Bugs in lease reads that the full world or a test finds. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: 'a lease read does not look at the time again',
    file: 'node/calls/reads.ts',
    find: "if (consistency === 'local' || this.#holdsLease()) settle();",
    replace: 'if (true) settle();',
    rare: { why: 'the process must stall while the function of a read runs', test: LEASE_READS },
  },
  {
    name: 'a lease read does not wait for committed entries',
    file: 'node/calls/reads.ts',
    find: 'return Math.max(minIndex, this.#parts.raft.log.committed);',
    replace: 'return minIndex;',
  },
  {
    name: 'a node ignores the wall clock',
    file: 'node/wall-offset.ts',
    find: 'return (clock.wall?.() ?? now) - now;',
    replace: 'return 0 * clock.now();',
    rare: { why: 'a read must arrive between a suspension and the next heartbeat', test: LEASE_READS },
  },
  {
    name: 'a recovered server forgets the length of leases',
    file: 'node/recover/only-voter.ts',
    find: 'leaseMs: previous.leaseMs,',
    replace: '',
    rare: { why: 'worlds stop all servers before they recover one', test: LEASE_READS },
  },
];
