import type { Logger } from '../../ports/logger.js';
import type { Report } from '../../protocol/output.js';

/** Logs a report from the protocol in terms that operators understand. */
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
        `server ${report.peer} is a voter and holds no log: it has lost its disk, or was never bootstrapped. It receives no entries and does not count. Replace its disk.`,
      );
    case 'otherStore':
      return logger.error(
        `server ${report.peer} does not have the disk that the membership names: it lost its disk and was bootstrapped again, or runs on an old one. It does not count. Replace it.`,
      );
    case 'restoredCopy':
      return logger.error(
        `server ${report.peer} was restored from an earlier copy of its disk: it has forgotten votes and acknowledgements. Its messages are dropped. Empty its disk and replace it.`,
      );
    case 'clonedStore':
      return logger.error(
        `two servers have run as ${report.peer} on copies of one disk. The messages of one of them are dropped. Stop both, empty both disks, and replace ${report.peer}.`,
      );
    case 'secondLeader':
      return logger.error(
        `server ${report.peer} claims to lead a term that has another leader: the two have different histories. Its messages are dropped, and it does not count`,
      );
    case 'ackBeyondLog':
      return logger.error(
        `server ${report.peer} acknowledged index ${report.index}, which this leader does not hold: the two have different histories. It does not count and receives nothing while this server leads`,
      );
    case 'transferFailed':
      return logger.warn(`${report.peer} has not taken over the leadership in time, so this server leads on`);
    case 'unreadable':
      return logger.error(
        `the log goes on with entry ${report.index}, which this server cannot read: ${report.reason} It appends nothing more and does not campaign, but it still votes. Upgrade this server`,
      );
    case 'lowLevel':
      return logger.error(
        `server ${report.peer} reads feature level ${report.level}, but the log has level ${report.needed}: it receives no entries. Upgrade it`,
      );
    case 'needsSnapshot':
      return logger.warn(`server ${report.peer} needs entries that were compacted, so it receives a snapshot`);
  }
}

const reasons = {
  higherTerm: 'another server is in a higher term',
  quorumSilent: 'no quorum answered for an election timeout',
  removed: 'it is no longer a voter',
  diskFull: 'its disk is full, and a quorum of other servers has room',
  diskStalled: 'its disk has not finished a write for several election timeouts; it does not lead until the write ends',
} as const;
