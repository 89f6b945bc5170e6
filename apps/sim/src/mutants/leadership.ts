import type { Mutant } from './mutant.js';

const LEADERSHIP = 'packages/core/test/node/leadership.test.ts';
const FEED = 'packages/core/test/node/feed.test.ts';

const found = (test: string): Mutant['rare'] => ({ why: 'the clients of the worlds do not use these calls', test });

/**
 * Bugs in features that follow the leader or the state: jobs, tokens, watched values, feeds, and
 * `minIndex`.
 */
export const mutants: readonly Mutant[] = [
  {
    name: 'a job continues although its server no longer leads',
    file: 'node/calls/leadership.ts',
    find: "  events.on('state', lost, { signal: stop.signal });\n  events.on('term', lost, { signal: stop.signal });\n",
    replace: '',
    rare: found(LEADERSHIP),
  },
  {
    name: 'a watcher does not notice that its node has ended before the first value',
    file: 'node/events/watch.ts',
    find: 'let ended = hasEnded();',
    replace: 'let ended = false;',
    rare: found(LEADERSHIP),
  },
  {
    name: 'a condition keeps its abort listener',
    file: 'node/calls/operations.ts',
    find: "signal.removeEventListener('abort', forget);",
    replace: '',
    rare: found(LEADERSHIP),
  },
  {
    name: 'a feed skips the commands that a snapshot has replaced',
    file: 'node/events/feed.ts',
    find: 'if (next > log.base.index) {',
    replace: 'next = Math.max(next, log.base.index + 1);\n    if (next <= log.applied) {',
    rare: found(FEED),
  },
  {
    name: 'a feed hands out the memory of the log',
    file: 'node/events/feed.ts',
    find: 'data: new Uint8Array(data)',
    replace: 'data',
    rare: found(FEED),
  },
  {
    name: 'tokens use up the reserve of a full disk',
    file: 'protocol/raft.ts',
    find: 'some(({ full }) => full)',
    replace: 'some(() => false)',
    rare: found('packages/core/test/protocol/stalled-and-full-disks.test.ts'),
  },
  {
    name: 'a linearizable read ignores minIndex',
    file: 'node/calls/read-queue.ts',
    find: 'Math.max(index, waiting.minIndex)',
    replace: 'index',
    rare: found('packages/core/test/node/node.test.ts'),
  },
];
