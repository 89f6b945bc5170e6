import type { Raft } from '../../protocol/raft.js';
import { throwIfAborted } from '../calls/calls.js';
import { describe } from '../describe.js';
import { badOption } from '../options.js';
import { isFinal, leaderOf } from '../status.js';
import { checkListenerOptions, type Emitter, type ListenerOptions } from './emitter.js';
import type { NodeEvents } from './events.js';
import { interruptible } from './interruptible.js';

/**
 * The events that report a new value of something, such as the leader. A watcher receives the
 * current value first.
 */
export type Watchable = 'state' | 'leader' | 'term' | 'membership' | 'commit' | 'apply' | 'full' | 'stalled';

/** Returns the current value of each of these events; undefined if there is no value yet. */
const current: { readonly [Name in Watchable]: (raft: Raft) => NodeEvents[Name] | undefined } = {
  state: ({ role }) => ({ role, previous: role }),
  leader: (raft) => ({ leader: leaderOf(raft), term: raft.ballot.term }),
  term: ({ ballot: { term } }) => ({ term, previous: term }),
  membership: ({ log }) => {
    const at = log.membershipAt(log.committed);
    return at === undefined ? undefined : { index: at.index, membership: at.membership };
  },
  commit: ({ log }) => ({ index: log.committed }),
  apply: ({ log }) => ({ index: log.applied }),
  full: ({ full }) => ({ full }),
  stalled: ({ diskStalled: stalled }) => ({ stalled }),
};

/**
 * Throws `KONTIKI_BAD_OPTION` if there is no current value for an event, or if the options are
 * invalid.
 */
function checkWatch(name: unknown, options: ListenerOptions): void {
  checkListenerOptions(options);
  if (typeof name === 'string' && Object.hasOwn(current, name)) return;
  throw badOption(`There is no value ${describe(name)} to watch. Watchable: ${Object.keys(current).join(', ')}.`);
}

/**
 * Yields the current value of an event, and then each new value. A slow consumer receives only the
 * newest value, so a watcher uses a bounded amount of memory. Ends when the node ends. Rejects with
 * `KONTIKI_ABORTED` when the signal is aborted. Throws `KONTIKI_BAD_OPTION` if there is no current
 * value for the event.
 */
export function watch<Name extends Watchable>(
  events: Emitter<NodeEvents>,
  raft: Raft,
  name: Name,
  options: ListenerOptions,
  hasEnded: () => boolean,
): AsyncGenerator<NodeEvents[Name], void, void> {
  checkWatch(name, options);
  return interruptible((stop) => values(events, raft, name, options, hasEnded, stop));
}

async function* values<Name extends Watchable>(
  events: Emitter<NodeEvents>,
  raft: Raft,
  name: Name,
  { signal }: ListenerOptions,
  hasEnded: () => boolean,
  stop: AbortSignal,
): AsyncGenerator<NodeEvents[Name], void, void> {
  let ended = hasEnded();
  let next = ended ? undefined : current[name](raft);
  let wake = (): void => {};
  const done = new AbortController();
  const options = { signal: done.signal };
  events.on(
    name,
    (event) => {
      next = event;
      wake();
    },
    options,
  );
  events.on(
    'state',
    ({ role }) => {
      ended ||= isFinal(role);
      wake();
    },
    options,
  );
  for (const interrupt of [signal, stop]) interrupt?.addEventListener('abort', () => wake(), options);
  try {
    while (!stop.aborted) {
      throwIfAborted(signal);
      const value = next;
      next = undefined;
      if (value !== undefined) yield value;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    done.abort();
  }
}
