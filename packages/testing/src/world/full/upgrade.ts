import type { Workload } from '../../workload/workload.js';
import type { Elapse } from './context.js';
import type { NodeChecks } from './checks.js';
import type { NodeServer } from './server.js';
import { MAX_VERSION } from './versions.js';

/** The parts of a world that an upgrade uses. */
interface UpgradeContext {
  readonly servers: readonly NodeServer[];
  readonly checks: NodeChecks;
  readonly workload: Workload;
}

/** The last upgrade of a world, after all faults have ended. */
export class Upgrade {
  readonly #world: UpgradeContext;
  readonly #elapse: Elapse;

  constructor(world: UpgradeContext, elapse: Elapse) {
    this.#world = world;
    this.#elapse = elapse;
  }

  /** Installs the newest program on a server. Stops the server if its program is older. */
  install(server: NodeServer): void {
    if (server.version === MAX_VERSION) return;
    server.crash('kill');
    server.install(MAX_VERSION);
  }

  /**
   * Raises the version to the newest one, and then restarts all servers. Each server replays each
   * entry of its log with the version in force at that entry. Does nothing if a member has lost
   * its disk.
   */
  async raise(): Promise<void> {
    const leader = (): NodeServer | undefined => this.#world.servers.find(({ leads }) => leads);
    const ids = leader()?.membership?.servers;
    const members = this.#world.servers.filter(({ id, participates }) => participates && ids?.has(id) === true);
    if (members.length !== ids?.size) return;
    const isRaised = (): boolean => members.every((server) => this.#isRaisedOn(server));
    for (let attempt = 0; attempt < 60 && !isRaised(); attempt += 1) {
      leader()?.raiseVersion();
      await this.#elapse(1_000, isRaised);
    }
    this.#world.checks.invariants.check('recovers', isRaised(), () => 'the version was not raised within a minute');
    for (const server of members) {
      server.crash('kill');
      server.start();
    }
  }

  #isRaisedOn({ machine }: NodeServer): boolean {
    return machine !== undefined && this.#world.workload.raise?.(machine.inner, MAX_VERSION) === undefined;
  }
}
