import type { Membership, MembershipStep, ServerId, Timings } from '@kontiki/core';
import type { Random } from '../random.js';
import { drawSteps } from './churn.js';
import type { Counts } from './counts.js';
import type { Fault, Mix } from './mix.js';
import type { Schedule } from './schedule.js';

/** A server into which faults are injected. */
export interface FaultTarget {
  readonly id: ServerId;
  readonly up: boolean;
  readonly leads: boolean;
  /** Whether the server's disk was lost or damaged. */
  readonly lost: boolean;
  start(): void;
  crash(kind: 'kill' | 'powerCut'): void;
  wipe(): void;
  pause(): void;
  resume(): void;
  setFull(full: boolean): void;
  /** Makes the disk stop answering, without an error. */
  hang(): void;
  /** Makes a disk that was stopped by `hang` answer again. */
  unhang(): void;
  setTimings(timings: Timings): void;
  /** Damages the disk of the stopped server. */
  damage?(): void;
  /** Closes the node and starts it again. */
  close?(): void;
  /** The membership that the server currently uses. */
  readonly membership?: Membership | undefined;
  /** Asks the server to change the membership. */
  change?(steps: readonly MembershipStep[], force: boolean): void;
  /** Asks the server to transfer its leadership. */
  transfer?(to: ServerId | undefined): void;
  /** Asks the server to raise the feature level. */
  raiseLevel?(): void;
  /** Asks the server to raise the version of the state machine. */
  raiseVersion?(): void;
  /**
   * Installs another version on the stopped server. The new version reads `by` more feature levels
   * than the previous one, or has `by` more versions of the state machine.
   */
  install?(by: number): void;
  /** Sets the length of leases, in milliseconds. */
  setLease(leaseMs: number): void;
  /** Pauses the process and stops its monotonic clock until `resume`, as if the machine slept. */
  suspend(): void;
  /** Moves the server's monotonic clock forward by `span` milliseconds. */
  jump(span: number): void;
  /** Moves the server's wall clock by `span` milliseconds. */
  stepWall(span: number): void;
}

/**
 * The network into which faults are injected. `cut` and `partition` return descriptions for the
 * trace.
 */
interface FaultNetwork {
  cut(): string;
  /** Splits the servers into two groups, or separates the server `alone` from the others. */
  partition(alone: ServerId | undefined): string;
  join(): void;
}

/** Copies of the servers' disks. */
interface DiskCopies {
  backUp(server: ServerId): void;
  /** Starts a server on its newest copy, if the other servers can notice this. */
  restore(server: ServerId): void;
}

/** The parts of a world that faults use. */
interface FaultContext {
  readonly schedule: Schedule;
  readonly mix: Mix;
  readonly network: FaultNetwork;
  readonly counts: Counts;
  readonly trace: ((text: string) => void) | undefined;
  readonly servers: readonly FaultTarget[];
  readonly copies?: DiskCopies | undefined;
}

/**
 * Injects faults into the servers and the network of a world until `end` is called. Each kind of
 * fault occurs at random intervals, which scale with the election timeout. The weaker a fault, the
 * longer its intervals.
 */
export class Faults {
  readonly #world: FaultContext;
  readonly #random: Random;
  #ended = false;

  constructor(world: FaultContext, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  start(): void {
    const { network, trace, mix, copies } = this.#world;
    this.#every('kills', 5, () => this.#crash('kill'));
    this.#every('powerCuts', 7, () => this.#crash('powerCut'));
    this.#every('pauses', 5, () => this.#pause('pause'));
    this.#every('fullDisks', 20, () => this.#fill());
    this.#every('wipes', 80, () => this.#wipe());
    this.#every('hangs', 20, () => this.#hang());
    this.#every('cuts', 5, () => {
      const cut = network.cut();
      trace?.(`cut: ${cut}`);
    });
    this.#every('partitions', 4, () => {
      const parts = network.partition(this.#random.chance(0.5) ? this.#victim.id : undefined);
      trace?.(`partition: ${parts}`);
    });
    this.#every(mix.strength.cuts > 0 ? 'cuts' : 'partitions', 6, () => {
      network.join();
      trace?.('all links are restored');
    });
    this.#every('retimings', 20, () => {
      const stretch = this.#random.pick([0.5, 1, 2]);
      const { heartbeat, election } = mix.timings;
      const timings = { heartbeat: heartbeat * stretch, election: election * stretch };
      for (const server of this.#world.servers) server.setTimings(timings);
    });
    this.#every('churn', 1.5, () => this.#churn());
    this.#every('transfers', 6, () => this.#transfer());
    this.#every('levels', 3, () => this.#raise());
    this.#every('levels', 5, () => this.#install(this.#random.chance(0.7) ? 1 : -1));
    this.#every('versions', 1, () => this.#raiseVersion());
    this.#every('versions', 6, () => this.#deploy());
    this.#every('bitFlips', 30, () => this.#damage());
    this.#every('restoredCopies', 2, () => copies?.backUp(this.#victim.id));
    this.#every('restoredCopies', 3, () => {
      const server = this.#diskVictim;
      if (server !== undefined) copies?.restore(server.id);
    });
    this.#every('closes', 8, () => this.#victim.close?.());
    this.#every('clockJumps', 10, () => this.#victim.jump(this.#random.between(0, 5) * this.#timeout));
    this.#every('leases', 4, () => this.#setLease());
    this.#every('suspensions', 5, () => this.#pause('suspend'));
    this.#every('clockSteps', 4, () => this.#stepClock());
    this.#every('leaseAttacks', 5, () => this.#attackLease());
  }

  /**
   * Called when a leader is elected. With the fault `earlyLeaderFailures`, it may crash or isolate
   * the leader shortly afterwards. A leader that fails so early leaves entries on only some of the
   * servers. Figure 8 of the Raft paper needs several such failures in a row.
   */
  onElected(server: FaultTarget): void {
    const { schedule, mix, network } = this.#world;
    if (this.#ended || !this.#random.chance(mix.strength.earlyLeaderFailures)) return;
    schedule.after(this.#timeout * this.#random.next() ** 3, () => {
      if (this.#ended || !server.up) return;
      if (this.#random.chance(0.5)) return this.#bringDown(server, this.#random.chance(0.5) ? 'kill' : 'powerCut');
      network.partition(server.id);
      schedule.after(this.#random.between(0, 3) * this.#timeout, () => network.join());
    });
  }

  get #timeout(): number {
    return this.#world.mix.timings.election;
  }

  /** Ends all faults and restores the timings. */
  end(): void {
    this.#ended = true;
    for (const server of this.#world.servers) server.setTimings(this.#world.mix.timings);
  }

  /**
   * Calls `breakSomething` at random intervals. At full strength, their mean is `mean` election
   * timeouts. At lower strengths, the mean is longer.
   */
  #every(fault: Fault, mean: number, breakSomething: () => void): void {
    const strength = this.#world.mix.strength[fault];
    if (strength === 0) return;
    this.#world.schedule.after(this.#random.between(0, (2 * mean) / strength) * this.#timeout, () => {
      if (this.#ended) return;
      breakSomething();
      this.#every(fault, mean, breakSomething);
    });
  }

  #crash(kind: 'kill' | 'powerCut'): void {
    const { servers } = this.#world;
    // A power cut often affects all servers.
    const all = this.#random.chance(kind === 'powerCut' ? 0.4 : 0.1);
    for (const server of all ? servers : [this.#victim]) {
      this.#bringDown(server, kind);
    }
  }

  #bringDown(server: FaultTarget, kind: 'kill' | 'powerCut'): void {
    // A fault that began earlier may end with a crash. No server may crash after the faults have
    // ended.
    if (!server.up || this.#ended) return;
    const { mix, schedule, counts } = this.#world;
    server.crash(kind);
    counts.crashes += 1;
    const slow = this.#random.chance(mix.strength.slowRestarts);
    const downtime = slow ? this.#random.between(0.1, 10) * this.#timeout : this.#random.between(1, 40);
    schedule.after(downtime, () => this.#restart(server));
  }

  #restart(server: FaultTarget): void {
    if (server.up) return;
    server.start();
    this.#world.counts.restarts += 1;
  }

  /**
   * Draws a server for the next fault. Prefers leaders, because their failures lead to more
   * different states.
   */
  get #victim(): FaultTarget {
    const { servers } = this.#world;
    const leaders = servers.filter(({ leads }) => leads);
    return this.#random.pick(leaders.length > 0 && this.#random.chance(0.4) ? leaders : servers);
  }

  #pause(kind: 'pause' | 'suspend'): void {
    const server = this.#victim;
    this.#world.trace?.(`${server.id}: ${kind}`);
    server[kind]();
    this.#world.schedule.after(this.#random.between(0, 4) * this.#timeout, () => {
      this.#world.trace?.(`${server.id} resumes`);
      server.resume();
    });
  }

  #stepClock(): void {
    const server = this.#victim;
    if (this.#random.chance(0.5)) return server.jump(this.#random.between(0, 3) * this.#timeout);
    // Nothing can notice a suspension if the wall clock is set back by its length.
    const least = this.#world.mix.strength.suspensions > 0 ? 0 : -3;
    server.stepWall(this.#random.between(least, 3) * this.#timeout);
  }

  #setLease(): void {
    const leaseMs = Math.round(this.#random.pick([0, 1, 2, 3, 6]) * this.#timeout);
    for (const server of this.#world.servers) if (server.leads) server.setLease(leaseMs);
  }

  /**
   * Isolates a leader for about as long as a lease lasts. Meanwhile, the others must not elect
   * another leader too early.
   */
  #attackLease(): void {
    const { servers, network, schedule, mix } = this.#world;
    const leaders = servers.filter(({ leads }) => leads);
    if (leaders.length === 0) return;
    const leader = this.#random.pick(leaders);
    network.partition(leader.id);
    schedule.after(this.#random.between(0, 8) * this.#timeout, () => network.join());
    const attack = this.#random.pick(['none', 'restart', 'jump']);
    for (const server of servers) {
      if (server === leader) continue;
      if (attack === 'restart') this.#bringDown(server, 'kill');
      if (attack === 'jump' && mix.strength.clockSteps > 0) server.jump(3 * this.#timeout);
    }
  }

  #churn(): void {
    const { servers } = this.#world;
    const ids = servers.map(({ id }) => id);
    for (const server of servers) {
      if (!server.leads || server.membership === undefined) continue;
      server.change?.(drawSteps(this.#random, server.membership, ids), this.#random.chance(0.2));
    }
  }

  #transfer(): void {
    const { servers } = this.#world;
    const to = this.#random.chance(0.5) ? undefined : this.#random.pick(servers).id;
    for (const server of servers) if (server.leads) server.transfer?.(to);
  }

  #raise(): void {
    for (const server of this.#world.servers) if (server.leads) server.raiseLevel?.();
    // A server may be rolled back before it has received the raised level. Its older version then
    // cannot read that level.
    if (this.#random.chance(0.5)) this.#install(-1);
  }

  #raiseVersion(): void {
    for (const server of this.#world.servers) if (server.leads) server.raiseVersion?.();
    // Sometimes roll back a server before it has applied the raise.
    if (this.#random.chance(0.1)) this.#install(-1);
  }

  /** Upgrades all servers one after the other, or rolls them back. */
  #deploy(): void {
    const by = this.#random.chance(0.8) ? 1 : -1;
    for (const server of this.#world.servers)
      this.#world.schedule.after(this.#random.between(0, 8) * this.#timeout, () => {
        if (!this.#ended) this.#install(by, server);
      });
  }

  /** Restarts a server with a newer or older version. */
  #install(by: number, server = this.#victim): void {
    this.#bringDown(server, 'kill');
    server.install?.(by);
  }

  /** Makes a disk stop answering, until it answers again or an operator kills the process. */
  #hang(): void {
    const server = this.#victim;
    server.hang();
    this.#world.schedule.after(this.#random.between(0, 30) * this.#timeout, () => {
      if (this.#random.chance(0.3)) this.#bringDown(server, 'kill');
      server.unhang();
    });
  }

  #fill(): void {
    const { servers, schedule } = this.#world;
    // Servers with equal disks and equal logs often run out of space at the same time.
    const filled = this.#random.chance(0.3) ? servers : [this.#random.pick(servers)];
    for (const server of filled) {
      server.setFull(true);
      schedule.after(this.#random.between(0, 10) * this.#timeout, () => server.setFull(false));
    }
  }

  #wipe(): void {
    const server = this.#diskVictim;
    if (server === undefined) return;
    server.wipe();
    this.#world.schedule.after(this.#random.between(1, 1_000), () => this.#restart(server));
  }

  /** Kills a server and damages its disk. */
  #damage(): void {
    const server = this.#diskVictim;
    if (server === undefined) return;
    this.#bringDown(server, 'kill');
    server.damage?.();
  }

  /**
   * Draws a server that may lose its disk. Returns undefined if fewer than a majority would then
   * have an intact disk.
   */
  get #diskVictim(): FaultTarget | undefined {
    const { servers } = this.#world;
    const intact = servers.filter(({ lost }) => !lost);
    return (intact.length - 1) * 2 <= servers.length ? undefined : this.#random.pick(intact);
  }
}
