import type { ServerId } from './server.js';

/** What a server must never forget: the newest term it knows and whom, if anybody, it voted for in it (Raft §5.2). */
export interface Ballot {
  readonly term: number;
  readonly votedFor: ServerId | undefined;
}
