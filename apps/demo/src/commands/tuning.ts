import type { SnapshotPolicy, Timings } from '@kontiki/core';
import { CliError, EXIT, wholeNumber, type ParsedArgs } from '../cli.js';

/** Flags that `demo` passes to every node. */
export const tuningFlags = {
  heartbeat: { type: 'string' },
  election: { type: 'string' },
  'snapshot-entries': { type: 'string' },
  'snapshot-bytes': { type: 'string' },
  'snapshot-trailing': { type: 'string' },
  redirect: { type: 'boolean' },
} as const;

export const tuningHelp = `  --heartbeat MS    milliseconds between two heartbeats of a leader (default 50)
  --election MS     a follower campaigns after 1 to 2 times MS without a heartbeat
                    (default 3 heartbeats, but at least 150; must be at least 2 heartbeats)
  --snapshot-entries N   take a snapshot every N applied entries (default 10000)
  --snapshot-bytes N     or earlier, when the entries since the last snapshot have N bytes (default 67108864)
  --snapshot-trailing N  entries before a snapshot to keep in the log, for slow followers (default 200)
  --redirect        followers redirect clients to the leader, instead of serving them
`;

export interface Tuning {
  readonly timings: Timings;
  readonly snapshotPolicy: Pick<SnapshotPolicy, 'maxEntries' | 'maxBytes' | 'trailingEntries'>;
  /** Whether followers redirect clients to the leader. */
  readonly redirects: boolean;
}

/** Parses the values of the flags. Throws a usage error if a value is invalid. */
export function tuningOf(values: ParsedArgs['values']): Tuning {
  const number = (flag: Exclude<keyof typeof tuningFlags, 'redirect'>, min: number, max: number): number | undefined =>
    wholeNumber(flag, values[flag], min, max);
  const heartbeat = number('heartbeat', 1, 60_000) ?? 50;
  const election = number('election', 2, 600_000) ?? Math.max(150, 3 * heartbeat);
  if (election < 2 * heartbeat) {
    throw new CliError(
      `--election ${election} must be at least twice --heartbeat ${heartbeat}. Otherwise followers campaign between two heartbeats.`,
      EXIT.usage,
    );
  }
  return {
    timings: { heartbeat, election },
    snapshotPolicy: {
      maxEntries: number('snapshot-entries', 1, 1e9) ?? 10_000,
      maxBytes: number('snapshot-bytes', 1, 1e12) ?? 64 * 1024 * 1024,
      trailingEntries: number('snapshot-trailing', 0, 1e9) ?? 200,
    },
    redirects: values['redirect'] === true,
  };
}

/** Returns the tuning flags that were given, as command-line arguments. */
export function tuningArgs(values: ParsedArgs['values']): string[] {
  return Object.keys(tuningFlags).flatMap((flag) => {
    const value = values[flag];
    if (typeof value === 'string') return [`--${flag}`, value];
    return value === true ? [`--${flag}`] : [];
  });
}
