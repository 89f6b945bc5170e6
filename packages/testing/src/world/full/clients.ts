import type { ServerId } from '@kontiki/core';
import type { Random } from '../../random.js';
import type { Workload } from '../../workload/workload.js';
import type { Mix } from '../mix.js';
import type { Schedule } from '../schedule.js';
import type { NodeChecks } from './checks.js';
import type { RequestOutcome, NodeServer } from './server.js';

interface ClientContext {
  /** Whether the faults are over. */
  readonly healed: boolean;
  readonly schedule: Schedule;
  readonly mix: Mix;
  readonly checks: NodeChecks;
  readonly workload: Workload;
  readonly servers: readonly NodeServer[];
  readonly hash: (value: number) => void;
}

/** Clients that ask one thing after the other of any server, and write down what they are told. */
export class Clients {
  readonly #world: ClientContext;
  readonly #random: Random;
  #running = true;
  #requests = 0;
  /** Orders calls and ends among each other. */
  #moments = 0;

  constructor(world: ClientContext, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  start(): void {
    const clients = 1 + this.#random.below(6);
    for (let client = 0; client < clients; client += 1) this.#think(undefined, clients);
  }

  /** What is under way goes on to its end; nothing else is asked. */
  end(): void {
    this.#running = false;
  }

  #think(leader: ServerId | undefined, clients: number): void {
    const { schedule, mix } = this.#world;
    schedule.after(this.#random.between(0, 2 * mix.writeEvery * clients), () => {
      if (this.#running) this.#ask(leader, clients);
    });
  }

  #ask(leader: ServerId | undefined, clients: number): void {
    const { workload, checks, healed } = this.#world;
    // In the end nobody waits for what a server without its disk will never have.
    const servers = healed ? this.#world.servers.filter(({ participates }) => participates) : this.#world.servers;
    const random = this.#random;
    // Mostly who is said to lead, else anybody.
    const server = servers.find(({ id }) => id === leader && random.chance(0.8)) ?? random.pick(servers);
    const request = workload.request(random, (this.#requests += 1));
    const call = (this.#moments += 1);
    const { floor } = checks.freshness;
    const timeout = random.chance(0.2) ? random.between(20, 500) : 3_000;
    server.ask(request, timeout, (outcome) => {
      this.#count(outcome, floor);
      this.#world.hash(call);
      const end = (this.#moments += 1);
      if (outcome.kind === 'unknown') request.onEnd?.(call, null, undefined);
      else if (outcome.kind !== 'refused') request.onEnd?.(call, end, outcome.answer);
      const next = outcome.kind === 'refused' ? outcome.leader : server.id;
      this.#think(next, clients);
    });
  }

  #count(outcome: RequestOutcome, floor: number): void {
    const { checks } = this.#world;
    if (outcome.kind === 'done') checks.done(outcome.index, outcome.term, floor);
    else if (outcome.kind === 'read') checks.read(outcome.through, floor);
    else if (outcome.kind === 'unknown') checks.counts.unknown += 1;
  }
}
