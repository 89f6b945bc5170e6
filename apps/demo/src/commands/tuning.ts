import type { SnapshotPolicy, Timings } from '@kontiki/core';
import { CliError, EXIT, wholeNumber, type ParsedArgs } from '../cli.js';

/** The flags of `node` that `demo` hands on to all of them. */
export const tuningFlags = {
  heartbeat: { type: 'string' },
  election: { type: 'string' },
  'snapshot-entries': { type: 'string' },
  'snapshot-bytes': { type: 'string' },
  'snapshot-trailing': { type: 'string' },
} as const;

export const tuningHelp = `  --heartbeat MS    how often a leader shows that it lives (default 50)
  --election MS     followers campaign after 1 to 2 times this silence (default 150, at least twice the heartbeat)
  --snapshot-entries N   take a snapshot when so many entries were applied since the last (default 10000)
  --snapshot-bytes N     or when these have so many bytes (default 67108864)
  --snapshot-trailing N  entries kept in the log behind a snapshot, for followers that are a little late (default 200)
`;

export interface Tuning {
  readonly timings: Timings;
  readonly snapshotPolicy: Pick<SnapshotPolicy, 'maxEntries' | 'maxBytes' | 'trailingEntries'>;
}

/** What the flags ask for; what makes no sense is a usage error. */
export function tuningOf(values: ParsedArgs['values']): Tuning {
  const number = (flag: keyof typeof tuningFlags, least: number, most: number): number | undefined =>
    wholeNumber(flag, values[flag], least, most);
  const heartbeat = number('heartbeat', 1, 60_000) ?? 50;
  const election = number('election', 2, 600_000) ?? Math.max(150, 3 * heartbeat);
  if (election < 2 * heartbeat) {
    throw new CliError(
      `--election ${election} must be at least twice --heartbeat ${heartbeat}, or followers would campaign between two heartbeats.`,
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
  };
}

/** The flags that were given, as they were given. */
export function tuningArgs(values: ParsedArgs['values']): string[] {
  return Object.keys(tuningFlags).flatMap((flag) => {
    const value = values[flag];
    return value === undefined ? [] : [`--${flag}`, value as string];
  });
}
