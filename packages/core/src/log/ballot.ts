import type { ServerId } from './server.js';

/**
 * The state that a server must never lose: the latest term it has seen, and its vote in that term,
 * if any (Raft §5.2).
 */
export interface Ballot {
  readonly term: number;
  readonly votedFor: ServerId | undefined;
}
