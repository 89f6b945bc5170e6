import { KontikiError } from '../../errors.js';
import type { Position } from '../../log/entry.js';
import type { Raft } from '../../protocol/raft.js';
import type { Emitter } from '../events/emitter.js';
import type { NodeEvents } from '../events/events.js';
import { describe } from '../describe.js';
import { badOption, type Names } from '../options.js';
import { abortedError, type CallOptions } from './calls.js';
import type { Operations } from './operations.js';

/** Options for `whileLeader`. */
export type WhileLeaderOptions = Pick<CallOptions, 'signal'>;

export const whileLeaderOptions: Names<WhileLeaderOptions> = { signal: true };

/** The parts of a node that `whileLeader` uses. */
export interface NodeParts {
  readonly raft: Raft;
  readonly operations: Operations;
  readonly events: Emitter<NodeEvents>;
  /** Returns an error if the node has ended or the options are invalid; undefined otherwise. */
  readonly refuse: () => KontikiError | undefined;
  /** Runs a function until it settles, the node ends, or the caller aborts the call. */
  readonly limited: <T>(run: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

/**
 * Runs a job on the leader. Waits until this server leads, commits an entry, and calls `run` with a
 * signal and the index of that entry. The index is a fencing token: it is greater than the token of
 * every job that started earlier. The signal is aborted when this server stops leading. The job
 * runs again the next time this server leads.
 *
 * Resolves with the result of a job that finishes while this server leads. Rejects with the error
 * of a job that fails while this server leads.
 */
export async function whileLeader<T>(
  parts: NodeParts,
  run: (signal: AbortSignal, token: number) => T | PromiseLike<T>,
  options: WhileLeaderOptions,
): Promise<T> {
  if (typeof run !== 'function') throw badOption(`A job is a function, not ${describe(run)}.`);
  for (;;) {
    const refused = parts.refuse();
    if (refused !== undefined) throw refused;
    const { index, term } = await parts.limited((waiting) => commitToken(parts, waiting));
    const { job, stop } = jobSignal(parts, term, options.signal);
    try {
      if (job.aborted) continue;
      const result = await run(job, index);
      if (!job.aborted) return result;
    } catch (error) {
      if (!job.aborted) throw error;
    } finally {
      stop.abort();
    }
  }
}

/**
 * Returns a signal that is aborted when this server stops leading in `term` or the caller aborts
 * the call.
 */
function jobSignal(
  { raft, events }: NodeParts,
  term: number,
  signal: AbortSignal | undefined,
): { readonly job: AbortSignal; readonly stop: AbortController } {
  const job = new AbortController();
  const stop = new AbortController();
  const lost = (): void => {
    const text = `This server no longer leads term ${term}, so the job must stop.`;
    job.abort(new KontikiError('KONTIKI_NOT_LEADER', text));
  };
  events.on('state', lost, { signal: stop.signal });
  events.on('term', lost, { signal: stop.signal });
  const abort = (): void => job.abort(abortedError(signal as AbortSignal));
  signal?.addEventListener('abort', abort, { signal: stop.signal });
  // The caller may have aborted, or this server may have stopped leading, since the entry was
  // committed.
  if (signal?.aborted === true) abort();
  if (raft.role !== 'leader' || raft.ballot.term !== term) lost();
  return { job: job.signal, stop };
}

/** Resolves with the position of a new entry once this server has committed it as the leader. */
async function commitToken({ raft, operations }: NodeParts, signal: AbortSignal): Promise<Position> {
  for (;;) {
    await operations.until(() => raft.role === 'leader', signal);
    const at = await operations.run(() => (signal.aborted ? 'notLeader' : raft.mark()));
    if (typeof at === 'object') {
      const isOver = (): boolean => raft.role !== 'leader' || raft.ballot.term !== at.term;
      await operations.until(() => raft.log.committed >= at.index || isOver(), signal);
      if (!isOver()) return at;
      continue;
    }
    // This server cannot accept entries at the moment. Try again after the next turn, which runs at
    // the next heartbeat at the latest.
    let turns = 0;
    await operations.until(() => {
      turns += 1;
      return turns > 1;
    }, signal);
  }
}
