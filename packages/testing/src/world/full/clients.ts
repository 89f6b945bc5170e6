import type { ServerId } from '@kontiki/core';
import { Random } from '../../random.js';
import type { Workload } from '../../workload/workload.js';
import type { Mix } from '../mix.js';
import type { Schedule } from '../schedule.js';
import type { NodeChecks } from './checks.js';
import type { RequestOutcome } from './outcome.js';
import type { NodeServer } from './server.js';

/** The parts of a world that clients use. */
interface ClientContext {
  readonly seed: number;
  /** Whether all injected faults have ended. */
  readonly healed: boolean;
  readonly schedule: Schedule;
  readonly mix: Mix;
  readonly checks: NodeChecks;
  readonly workload: Workload;
  readonly servers: readonly NodeServer[];
  readonly hash: (value: number) => void;
}

/**
 * Simulated clients. Each client sends one request at a time to a random server, and reports the
 * outcome to the workload.
 */
export class Clients {
  readonly #world: ClientContext;
  readonly #random: Random;
  readonly #leaseReaders: Random;
  #running = true;
  #requests: number;
  /** Number of request starts and ends so far. It serves as a clock that orders these events. */
  #moments = 0;

  /** `requests` is the number of requests that earlier clients have sent. */
  constructor(world: ClientContext, random: Random, requests = 0) {
    this.#world = world;
    this.#random = random;
    this.#leaseReaders = new Random(world.seed, 'lease readers');
    this.#requests = requests;
  }

  start(): void {
    const clients = 1 + this.#random.below(6);
    for (let client = 0; client < clients; client += 1) this.#think(undefined, clients);
  }

  /** Number of requests sent so far, including those of earlier clients. */
  get requests(): number {
    return this.#requests;
  }

  /** Stops sending new requests. Requests in progress continue. */
  end(): void {
    this.#running = false;
  }

  #think(leader: ServerId | undefined, clients: number): void {
    const { schedule, mix } = this.#world;
    schedule.after(this.#random.between(0, 2 * mix.writeEvery * clients), () => {
      if (this.#running) this.#request(leader, clients);
    });
  }

  #request(leader: ServerId | undefined, clients: number): void {
    const { workload, checks, healed } = this.#world;
    // After the faults, servers that lost their disk never answer, and servers that are not members
    // answer only after a timeout.
    const able = this.#world.servers.filter(({ participates }) => participates);
    const members = able.find(({ leads }) => leads)?.membership?.servers;
    const healthy = members === undefined ? able : able.filter(({ id }) => members.has(id));
    const servers = healed ? healthy : this.#world.servers;
    const random = this.#random;
    // Prefer the server that the previous reply named as leader.
    const server = servers.find(({ id }) => id === leader && random.chance(0.8)) ?? random.pick(servers);
    const request = workload.request(random, (this.#requests += 1));
    const call = (this.#moments += 1);
    const { floor } = checks.freshness;
    const timeout = random.chance(0.2) ? random.between(20, 500) : 3_000;
    const forward = random.chance(0.5);
    const byLease = this.#world.mix.strength.leases > 0 && this.#leaseReaders.chance(0.7);
    const consistency = byLease ? 'lease' : 'linearizable';
    server.request(request, { timeout, forward, consistency }, (outcome) => {
      if (outcome.kind === 'done' || outcome.kind === 'read')
        checks.invariants.check(
          'oneEpochServes',
          server.checks === this.#world.checks,
          () => `${server.id} answers a client, although its epoch has ended`,
        );
      this.#check(outcome, floor);
      this.#world.hash(call);
      const end = (this.#moments += 1);
      if (outcome.kind === 'unknown') request.onEnd?.(call, null, undefined);
      else if (outcome.kind === 'refused') request.onRefused?.(outcome.hasEnded === true);
      else request.onEnd?.(call, end, outcome.answer);
      const next = outcome.kind === 'refused' ? outcome.leader : server.id;
      this.#think(next, clients);
    });
  }

  #check(outcome: RequestOutcome, floor: number): void {
    const { checks } = this.#world;
    if (outcome.kind === 'done') checks.done(outcome.index, outcome.term, floor);
    else if (outcome.kind === 'read') checks.read(outcome.through, floor);
    else if (outcome.kind === 'unknown') checks.counts.unknown += 1;
  }
}
