import type { ServerContext } from './context.js';

/** A server that crashes between two steps. */
interface Target {
  readonly up: boolean;
  readonly participates: boolean;
  crash(kind: 'kill' | 'powerCut'): void;
  start(): void;
}

/**
 * Crashes a server between two steps of a turn, with a small probability. Schedules the restart
 * too, because `Faults` does not know about this crash. Returns whether the server crashed.
 */
export function crashBetween({ random, mix, healed, schedule, checks }: ServerContext, server: Target): boolean {
  const { kills, powerCuts } = mix.strength;
  if (healed || !random.chance((kills + powerCuts) * 0.0002)) return false;
  server.crash(random.chance(0.5) ? 'kill' : 'powerCut');
  checks.counts.crashes += 1;
  schedule.after(random.between(0, 5) * mix.timings.election, () => {
    if (!server.participates || server.up) return;
    checks.counts.restarts += 1;
    server.start();
  });
  return true;
}
