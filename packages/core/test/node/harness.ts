import {
  isKontikiError,
  membershipOf,
  MemoryLog,
  MemoryNetwork,
  RaftNode,
  type ApplyBatch,
  type Clock,
  type LogStore,
  type LogWrite,
  type NodeOptions,
  type StateMachine,
  type Timer,
  type Transport,
} from '@kontiki/core';
import { Random, VirtualClock } from '@kontiki/testing';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/**
 * A state machine that stores every command. The result of a command is the number of commands so
 * far.
 */
export class Journal implements StateMachine<number> {
  readonly commands: string[] = [];
  through = 0;

  apply({ entries, through }: ApplyBatch): number[] {
    this.through = through;
    return entries.map(({ data }) => this.commands.push(text(data)));
  }
}

/** A memory log whose writes become durable only while the test allows it. */
export class GatedLog extends MemoryLog {
  #gate: Promise<void> = Promise.resolve();
  #openGate: () => void = () => {};

  /** Delays further writes until `release` is called. */
  hold(): void {
    this.#gate = new Promise((resolve) => (this.#openGate = resolve));
  }

  release(): void {
    this.#openGate();
  }

  override async append(write: LogWrite): Promise<void> {
    const gate = this.#gate;
    const written = super.append(write);
    await gate;
    await written;
  }
}

/**
 * A process that can be suspended. While it is suspended, its timers, messages and deferred
 * callbacks wait. When it resumes, they run in this order, as in Node's event loop.
 */
export class SuspendableProcess implements Clock {
  readonly #clock: VirtualClock;
  #suspended = false;
  #timers: (() => void)[] = [];
  #messages: (() => void)[] = [];
  #deferred: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  timer(fire: () => void): Timer {
    return this.#clock.timer(() => (this.#suspended ? this.#timers.push(fire) : fire()));
  }

  defer(callback: () => void): void {
    if (this.#suspended) this.#deferred.push(callback);
    else this.#clock.defer(() => (this.#suspended ? this.#deferred.push(callback) : callback()));
  }

  /** Wraps a transport so that received messages wait while the process is suspended. */
  wrap(transport: Transport): Transport {
    return {
      start: (self, receive) =>
        transport.start(self, (from, message) => {
          if (this.#suspended) this.#messages.push(() => receive(from, message));
          else receive(from, message);
        }),
      send: (to, messages) => transport.send(to, messages),
      setPeers: (peers) => transport.setPeers(peers),
      close: () => transport.close(),
    };
  }

  suspend(): void {
    this.#suspended = true;
  }

  resume(): void {
    for (const waiting of [this.#timers, this.#messages]) for (const run of waiting.splice(0)) run();
    this.#suspended = false;
    for (const run of this.#deferred.splice(0)) run();
  }
}

/** Options for `close` that make a node close at once, without transferring its leadership. */
export const atOnce = { drain: false, transfer: false } as const;

/** Nodes on virtual time that exchange encoded frames over a `MemoryNetwork`. */
export class Nodes {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly logs = new Map<string, LogStore>();
  readonly machines = new Map<string, Journal>();
  /** The nodes by id, including closed ones unless a test deleted them. */
  readonly nodes = new Map<string, RaftNode<number>>();
  readonly #random: () => number;

  constructor(seed = 1, latency = 1) {
    this.#random = new Random(seed).next;
    this.network = new MemoryNetwork({ clock: this.clock, latency: () => latency });
  }

  /**
   * Bootstraps servers of a cluster that is already founded, so that its first entry names the
   * stores of all servers.
   */
  async bootstrap(...ids: string[]): Promise<void> {
    const membership = membershipOf(
      ids.map((id, i) => [id, { address: `memory:${id}`, metadata: `http://${id}`, store: i + 1 }]),
    );
    for (const [i, server] of ids.entries()) {
      const log = this.logs.get(server) ?? new MemoryLog();
      this.logs.set(server, log);
      await log.open({ cluster: 'test', server });
      await log.append({
        life: { id: i + 1, starts: 1 },
        entries: [{ kind: 'membership', index: 1, term: 1, membership }],
        committed: 1,
      });
      await log.close();
    }
  }

  async open(id: string, options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
    const machine = new Journal();
    this.machines.set(id, machine);
    const log = this.logs.get(id) ?? new MemoryLog();
    this.logs.set(id, log);
    const node = await RaftNode.open<number>({
      id,
      cluster: 'test',
      machine,
      log,
      transport: this.network.transport(),
      timings: { heartbeat: 50, election: 200 },
      clock: this.clock,
      random: this.#random,
      ...options,
    });
    this.nodes.set(id, node);
    return node;
  }

  /** Bootstraps and opens servers, and waits until there is a leader. */
  async cluster(...ids: string[]): Promise<void> {
    await this.bootstrap(...ids);
    for (const id of ids) await this.open(id);
    await this.clock.until(() => this.leader !== undefined);
  }

  get(id: string): RaftNode<number> {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  machine(id: string): Journal {
    return this.machines.get(id) as Journal;
  }

  /** The leader with the highest term. */
  get leader(): RaftNode<number> | undefined {
    const leading = [...this.nodes.values()].filter((node) => node.status().role === 'leader');
    return leading.sort((a, b) => b.status().term - a.status().term)[0];
  }

  get followers(): RaftNode<number>[] {
    return [...this.nodes.values()].filter((node) => node.status().role === 'follower');
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.close(atOnce)));
  }
}

/** Resolves with the value of a promise, or with the code of its error. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return isKontikiError(error) ? error.code : error;
  }
}

/** Advances virtual time until a promise settles. Resolves with the same value as `outcome`. */
export async function runToOutcome(nodes: Nodes, promise: Promise<unknown>): Promise<unknown> {
  let done = false;
  const result = outcome(promise).finally(() => (done = true));
  await nodes.clock.until(() => done);
  return result;
}
