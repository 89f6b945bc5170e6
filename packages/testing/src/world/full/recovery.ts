import {
  inspectServer,
  recoverServer,
  type InspectOptions,
  type LogStore,
  type Membership,
  type MembershipStep,
  type ServerContents,
  type ServerId,
} from '@kontiki/core';
import { Random } from '../../random.js';
import type { NodeChecks } from './checks.js';
import type { Clients } from './clients.js';
import type { Elapse, NodeContext } from './context.js';
import { NodeServer } from './server.js';
import { MAX_VERSION } from './versions.js';

/** The parts of a world that a recovery uses. */
interface RecoveryContext extends NodeContext {
  readonly servers: NodeServer[];
}

/** The id of the server that joins the recovered cluster. */
const NEWCOMER = 'h';

/**
 * The recovery of a cluster that lost a majority. An operator recovers the best survivor and adds a
 * new server. Some of the other servers start again on their old disks, and the operator even adds
 * one of them under its old id. All of them must be refused because of their epoch.
 */
export class Recovery {
  readonly #world: RecoveryContext;
  readonly #random: Random;
  readonly #elapse: Elapse;
  #survivor!: NodeServer;
  #outdated: readonly NodeServer[] = [];

  constructor(world: RecoveryContext, random: Random, elapse: Elapse) {
    this.#world = world;
    this.#random = random;
    this.#elapse = elapse;
  }

  /** Stops all servers, and waits until no restart is scheduled any more. */
  async stopAll(): Promise<void> {
    const { servers, trace } = this.#world;
    trace?.('all faults end, and all servers are stopped');
    for (const server of servers) {
      server.unhang();
      server.setFull(false);
      server.retire();
      server.install(MAX_VERSION);
    }
    await this.#elapse(60_000);
  }

  /** Recovers a survivor of a majority, and returns the checks of the new epoch. */
  async recover(): Promise<NodeChecks> {
    const { servers, checks, trace } = this.#world;
    const intact = servers.filter(({ lost }) => !lost);
    // The survivors are a minority. So few of the other servers start again that they cannot elect
    // a leader.
    const minority = Math.floor((servers.length - 1) / 2);
    const survivors = this.#draw(intact, minority);
    let best: ServerContents | undefined;
    for (const server of survivors) {
      const found = await this.#callOn(server, inspectServer);
      const { index, term } = found.last;
      if (best !== undefined && (term < best.last.term || (term === best.last.term && index <= best.last.index)))
        continue;
      best = found;
      this.#survivor = server;
    }
    const survivor = this.#survivor;
    this.#outdated = this.#draw(
      intact.filter((server) => server !== survivor),
      minority,
    );
    const { index } = await this.#callOn(survivor, recoverServer);
    trace?.(`${survivor.id} is recovered, and its last entry is ${index}`);
    const { state } = await survivor.durableState();
    survivor.log.opened(state);
    checks.counts.recoveries += 1;
    survivor.checks = checks.recovered(index, (at) => {
      const { durable } = survivor.log;
      return durable.covers(at) ? undefined : durable.at(at);
    });
    return survivor.checks;
  }

  /** Starts the servers, and checks that only those of the new epoch serve clients. */
  async serve(clients: Clients): Promise<void> {
    const { servers, checks, mix, seed } = this.#world;
    const { invariants, counts } = checks;
    const survivor = this.#survivor;
    const newcomer = new NodeServer(NEWCOMER, this.#world, new Random(seed, `server ${NEWCOMER}`));
    newcomer.install(MAX_VERSION);
    servers.push(newcomer);
    for (const server of [survivor, newcomer, ...this.#outdated]) {
      server.isRetired = server.unusable = false;
      server.start();
    }
    // Requests to servers without a leader take up to three seconds.
    const patience = 20 * mix.timings.election + 60_000;
    const { acknowledged } = counts;
    clients.start();
    const wrote = await this.#elapse(patience, () => counts.acknowledged > acknowledged);
    invariants.check('recovers', wrote, () => `no acknowledged write within ${patience} ms after the recovery`);
    await this.#change(NEWCOMER, 'addLearner', (members) => members.learners);
    await this.#change(NEWCOMER, 'promote', (members) => members.voters);
    const [mistaken] = this.#outdated;
    if (mistaken !== undefined) await this.#change(mistaken.id, 'addLearner', (members) => members.learners);
    await this.#elapse(10_000);
    clients.end();
    const lasts = (): number[] => [survivor, newcomer].map(({ node }) => node?.status().applied ?? 0);
    const agree = await this.#elapse(60_000, () => {
      const [mine = 0, other] = lasts();
      return mine === other && mine === survivor.node?.status().last;
    });
    invariants.check('converges', agree, () => `the servers of the new epoch applied ${lasts().join(' and ')}`);
  }

  /** Changes the membership. A change is refused while another one is in progress. */
  async #change(
    id: ServerId,
    kind: 'addLearner' | 'promote',
    membersOf: (membership: Membership) => readonly ServerId[],
  ): Promise<void> {
    const isDone = (): boolean => {
      const { membership } = this.#survivor;
      return membership !== undefined && membersOf(membership).includes(id);
    };
    const step: MembershipStep =
      kind === 'promote' ? { kind, id } : { kind, id, address: `simulated:${id}`, metadata: '' };
    for (let attempt = 0; attempt < 60 && !isDone(); attempt += 1) {
      this.#survivor.change([step], false);
      await this.#elapse(1_000, isDone);
    }
    this.#world.checks.invariants.check('recovers', isDone(), () => `the change of ${id} failed for a minute`);
  }

  #draw(servers: readonly NodeServer[], count: number): readonly NodeServer[] {
    const left = [...servers];
    return Array.from({ length: Math.min(count, left.length) }, () => {
      const drawn = this.#random.pick(left);
      left.splice(left.indexOf(drawn), 1);
      return drawn;
    });
  }

  /** Makes an operator's call on the stores of a stopped server. */
  async #callOn<T>(server: NodeServer, call: (log: LogStore, options: InspectOptions) => Promise<T>): Promise<T> {
    const { cluster, makeLog, makeSnapshots } = this.#world;
    const environment = server.environment(server.startProcess());
    const snapshots = makeSnapshots?.(environment);
    let done = false;
    const calling = call(makeLog(environment), { cluster, server: server.id, snapshots }).finally(() => (done = true));
    await this.#elapse(60_000, () => done);
    const result = await calling;
    server.crash('kill');
    return result;
  }
}
