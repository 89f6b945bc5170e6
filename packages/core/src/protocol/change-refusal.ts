/** Options for a membership change. */
export interface ChangeLimits {
  /**
   * The revision of the membership that the change is based on. By default, any revision is
   * accepted.
   */
  readonly expected?: number | undefined;
  /**
   * Whether to change the membership even if no quorum of the new voters is currently responding.
   * Default false.
   */
  readonly force?: boolean | undefined;
}

/**
 * The reason why a membership change was refused. `detail` is a sentence fragment for the error
 * message.
 */
export interface ChangeRefusal {
  readonly refused:
    | 'notLeader'
    | 'transferring'
    | 'diskFull'
    | 'notReady'
    | 'founding'
    | 'changing'
    | 'level'
    | 'leaseLevel'
    | 'silent'
    | 'unequal'
    | 'highest'
    | 'unable'
    | 'revision'
    | 'invalid'
    | 'lagging'
    | 'quorumSilent';
  readonly detail: string;
}

export function refuse(refused: ChangeRefusal['refused'], detail = ''): ChangeRefusal {
  return { refused, detail };
}

/** The reason why a leadership transfer was refused. */
export type TransferRefusal = 'notLeader' | 'transferring' | 'notVoter' | 'away';
