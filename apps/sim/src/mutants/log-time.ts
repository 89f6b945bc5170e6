import type { Mutant } from './mutant.js';

/** Bugs in log time that the fast world finds. */
export const protocolMutants: readonly Mutant[] = [
  {
    name: 'log time counts the time before the last entry arrived again',
    file: 'log/log-clock.ts',
    find: '  set(time: number, now: number): void {\n    this.#time = time;\n    this.#since = now;\n',
    replace: '  set(time: number, _now: number): void {\n    this.#time = time;\n',
  },
  {
    name: 'each leader starts log time again',
    file: 'log/log-clock.ts',
    find: 'return this.#time + Math.floor(now - this.#since);',
    replace: 'return Math.floor(now - this.#since);',
  },
  {
    name: 'a follower ignores the log time of the entries that arrive',
    file: 'protocol/follower.ts',
    find: 'this.#server.noteStamp(entries.at(-1)?.time);',
    replace: '',
  },
  {
    name: 'a restarted server forgets log time',
    file: 'protocol/raft-server.ts',
    find: 'new LogClock(start.log.time ?? 0, start.now)',
    replace: 'new LogClock(0, start.now)',
  },
  {
    name: 'a leader stamps entries that some members cannot read',
    file: 'protocol/raft-server.ts',
    find: 'return this.membership.level < STAMPED_LEVEL ? undefined : this.#logClock.read(this.now);',
    replace: 'return this.#logClock.read(this.now);',
  },
  {
    name: 'a leader appends an entry for an expiry that an earlier entry has passed',
    file: 'protocol/next-expiry.ts',
    find: 'if ((log.entry(log.lastIndex)?.time ?? -Infinity) >= time) return;',
    replace: '',
    rare: { why: 'the states of the fast world do not expire', test: 'packages/core/test/protocol/expiries.test.ts' },
  },
];

/** Bugs in the log time of snapshots and restarts that the full world finds. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: 'an installed snapshot does not set log time',
    file: 'protocol/raft.ts',
    find: 'this.#server.noteStamp(meta.time);',
    replace: '',
  },
  {
    name: 'a snapshot does not contain log time',
    file: 'node/snapshots/taker.ts',
    find: 'const time = applier.time || undefined;',
    replace: 'const time = applier.time < 0 ? 0 : undefined;',
  },
  {
    name: 'a node forgets log time when it restarts',
    file: 'node/raft-node.ts',
    find: 'time: aligned.lastTime',
    replace: 'time: 0',
  },
];
