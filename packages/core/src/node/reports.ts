import type { Logger } from '../ports/logger.js';
import type { Report } from '../protocol/output.js';

/** Says a report of the protocol in an operator's words. */
export function logReport(logger: Logger, report: Report): void {
  switch (report.kind) {
    case 'steppedDown':
      return logger.warn(`stepped down: ${reasons[report.reason]}`);
    case 'campaignExcused':
      return logger.warn(
        'woke up late (a blocked event loop, or a suspended process): gives the leader another chance',
      );
    case 'blankVoter':
      return logger.error(
        `server ${report.peer} is a voter and holds no log: it has lost its disk, or was never bootstrapped. It is not fed and does not count; remove it and add a new id.`,
      );
    case 'secondLeader':
      return logger.error(`server ${report.peer} claims to lead a term that has a leader; what it says is dropped`);
    case 'divergedBelowCommit':
      return logger.error(
        `server ${report.peer} sent another entry for index ${report.index}, which is committed here; it is dropped. One of the two has damaged data.`,
      );
    case 'ackBeyondLog':
      return logger.error(
        `server ${report.peer} acknowledged index ${report.index}, which this leader does not have; dropped`,
      );
    case 'commitBeyondLog':
      return logger.error(
        `server ${report.peer} says index ${report.index} is committed, which this server does not have; dropped`,
      );
    case 'needsSnapshot':
      return logger.warn(`server ${report.peer} needs entries that are compacted away`);
  }
}

const reasons = {
  higherTerm: 'another server is in a higher term',
  quorumSilent: 'no quorum has answered for an election timeout',
  diskFull: 'its disk is full and others have room',
} as const;
