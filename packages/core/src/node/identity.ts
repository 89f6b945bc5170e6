import type { ServerId } from '../log/server.js';
import type { Identity } from '../ports/transport.js';

/**
 * The identity of a running node. Transports, the log and snapshots all read this one object,
 * because a blank server learns its genesis only while it runs: from the first entry that it
 * writes, or from the first snapshot that it receives.
 */
export class NodeIdentity implements Identity {
  readonly cluster: string;
  readonly server: ServerId;
  readonly incarnation: number;
  genesis: number | undefined;

  constructor(cluster: string, server: ServerId, incarnation: number, genesis: number | undefined) {
    this.cluster = cluster;
    this.server = server;
    this.incarnation = incarnation;
    this.genesis = genesis;
  }
}
