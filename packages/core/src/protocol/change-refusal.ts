/** Options of a membership change. */
export interface ChangeLimits {
  /** The revision that the change is based on. Default: any. */
  readonly expected?: number | undefined;
  /** Whether to change the membership even if the new quorum does not answer now. Default false. */
  readonly force?: boolean | undefined;
}

/** Why a membership was not changed. `detail` is part of a sentence. */
export interface ChangeRefusal {
  readonly refused:
    | 'notLeader'
    | 'transferring'
    | 'diskFull'
    | 'notReady'
    | 'founding'
    | 'changing'
    | 'level'
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

/** Why a leadership was not transferred. */
export type TransferRefusal = 'notLeader' | 'transferring' | 'notVoter' | 'away';
