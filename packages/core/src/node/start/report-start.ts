import type { LogState } from '../../ports/log-store.js';
import type { Logger } from '../../ports/logger.js';

/** Logs what an operator should know about the log that a node starts with. */
export function reportStart({ repairs }: LogState, isBlank: boolean, logger: Logger): void {
  for (const repair of repairs) logger.warn('truncated the torn end of the log', { ...repair });
  if (isBlank) logger.info('this server is blank: it waits for a leader, and neither campaigns nor votes');
}
