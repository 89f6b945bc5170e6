import { epochOf, type MembershipAt } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Announcements, Identity } from '../ports/transport.js';

/**
 * The identity of a running node. A blank server only learns its genesis and its epoch while it is
 * running, from the log or a snapshot. So the transport, the log and the snapshots share this
 * mutable object.
 */
export class NodeIdentity implements Identity {
  readonly cluster: string;
  readonly server: ServerId;
  readonly incarnation: number;
  readonly announcements: Announcements;
  genesis: number | undefined;
  epoch: string | undefined;

  constructor(
    cluster: string,
    server: ServerId,
    incarnation: number,
    genesis: number | undefined,
    announcements: Announcements,
  ) {
    this.cluster = cluster;
    this.server = server;
    this.incarnation = incarnation;
    this.genesis = genesis;
    this.announcements = announcements;
  }

  /** Sets the epoch from the live memberships. A removed server keeps its last epoch. */
  follow(live: readonly MembershipAt[]): void {
    this.epoch = epochOf(live, this.server) ?? this.epoch;
  }
}
