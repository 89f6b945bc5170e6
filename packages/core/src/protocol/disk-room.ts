import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import { voteResult } from './quorum.js';
import type { ReadRounds } from './reads.js';
import type { Server } from './role.js';
import { answers } from './voters.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/** Returns whether so many disks are full that no quorum has room to store a command. */
export function quorumIsFull({ membership, id, full }: Server, peers: Peers): boolean {
  let anyFull = full;
  for (const progress of peers.values()) anyFull ||= progress.full;
  // This function runs for every proposal, and full disks are rare, so the common case returns
  // early.
  if (!anyFull) return false;
  const hasRoom = (voter: ServerId): boolean => (voter === id ? !full : peers.get(voter)?.full !== true);
  return voteResult(membership, hasRoom) === 'lost';
}

/** Determines whether another server can lead while the disk of this leader is full. */
export class RoomElsewhere {
  readonly #server: Server;
  readonly #rounds: ReadRounds;
  /** How often the disk has become full, and the first heartbeat round after the latest time. */
  #since = { times: 0, round: Infinity };

  constructor(server: Server, rounds: ReadRounds) {
    this.#server = server;
    this.#rounds = rounds;
  }

  /**
   * Returns whether this leader's disk is full while a quorum of other servers is alive and has
   * reported free disk space since then. Earlier reports prove nothing, because disks often fill up
   * at the same time.
   */
  isKnown(peers: Peers): boolean {
    const { full, timesFull: times, membership } = this.#server;
    if (!full) return false;
    if (this.#since.times !== times) this.#since = { times, round: this.#rounds.skip() };
    const hasRoom = (voter: ServerId): boolean => {
      const progress = peers.get(voter);
      if (progress === undefined || progress.full) return false;
      return answers(this.#server, voter, progress) && progress.roomRound >= this.#since.round;
    };
    return voteResult(membership, hasRoom) === 'won';
  }
}
