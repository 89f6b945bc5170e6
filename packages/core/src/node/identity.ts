import type { ServerId } from '../log/server.js';
import type { Identity } from '../ports/transport.js';

/**
 * The identity of a running node. A blank server learns its genesis only while it runs, from its
 * first entry or its first snapshot. So the transport, the log and the snapshots share this object.
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
