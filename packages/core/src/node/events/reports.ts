import type { Logger } from '../../ports/logger.js';
import type { Report } from '../../protocol/output.js';

/** Logs a protocol report in words for an operator. */
export function logReport(logger: Logger, report: Report): void {
  switch (report.kind) {
    case 'steppedDown':
      return logger.warn(`stepped down: ${reasons[report.reason]}`);
    case 'lateTimerForgiven':
      return logger.warn(
        'the process was stalled (a blocked event loop or a suspended machine); its late timer was ignored: the silence of the other servers proves nothing',
      );
    case 'blankVoter':
      return logger.error(
        `server ${report.peer} is a voter and holds no log: it has lost its disk, or was never bootstrapped. It receives no entries and does not count. Remove it and add a new id.`,
      );
    case 'secondLeader':
      return logger.error(
        `server ${report.peer} claims to lead a term that has another leader; its messages are dropped`,
      );
    case 'divergedBelowCommit':
      return logger.error(
        `server ${report.peer} sent an entry that contradicts committed entry ${report.index}; the message is dropped. One of the two servers has damaged data.`,
      );
    case 'ackBeyondLog':
      return logger.error(
        `server ${report.peer} acknowledged index ${report.index}, which this leader does not hold; the message is dropped`,
      );
    case 'commitBeyondLog':
      return logger.error(
        `server ${report.peer} claims that index ${report.index} is committed, which this server does not hold; the message is dropped`,
      );
    case 'needsSnapshot':
      return logger.warn(`server ${report.peer} needs entries that were compacted, so it receives a snapshot`);
  }
}

const reasons = {
  higherTerm: 'another server is in a higher term',
  quorumSilent: 'no quorum answered for an election timeout',
  diskFull: 'its disk is full, and a quorum of other servers has room',
} as const;
