import { fork, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { SecurityOptions } from '@kontiki/peers';
import type { Counters } from './counters.js';
import type { LoadResult } from './load.js';
import type { CatchUpResult, Reply, Request, SnapshotResult, Start, TransportName } from './replica.js';

export const ids: readonly string[] = ['a', 'b', 'c'];

/**
 * Flags that make V8 collect garbage as if live objects filled 256 MiB of the heap, as in most
 * services. V8 runs a full collection whenever its memory, including buffers, doubles. With a
 * nearly empty heap, it would run about forty collections for a snapshot of 256 MiB.
 */
const EXEC = ['--initial-old-space-size=256'];

export interface ClusterOptions {
  /**
   * Servers to leave running when `open` resolves. Default: all servers. The other servers are
   * stopped once the cluster has been founded.
   */
  readonly started?: readonly string[];
  /** Size of the state machine's state in bytes. Default: no state and no snapshots. */
  readonly state?: number;
  /** Whether the servers run a defined state machine, whose commands run in sessions. */
  readonly typed?: boolean;
  /** The transport used by all servers. Default: WebSocket. */
  readonly transport?: TransportName;
  /** Returns a server's authentication options. Default: no authentication. */
  readonly security?: (id: string) => SecurityOptions;
}

type ReplyOf<Kind extends Reply['kind']> = Extract<Reply, { readonly kind: Kind }>;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Three replicas in separate processes, with logs on disk. Proposers run in the leader's process.
 */
export class Cluster {
  readonly #path: string;
  readonly #members: Record<string, string>;
  readonly #settings: Pick<Start, 'state' | 'typed' | 'transport'>;
  readonly #security: (id: string) => SecurityOptions;
  readonly #replicas = new Map<string, ChildProcess>();
  #leader = '';
  #onLeader: () => void = () => {};

  private constructor(
    path: string,
    members: Record<string, string>,
    settings: Pick<Start, 'state' | 'typed' | 'transport'>,
    security: (id: string) => SecurityOptions,
  ) {
    this.#path = path;
    this.#members = members;
    this.#settings = settings;
    this.#security = security;
  }

  static async open(
    path: string,
    { started = ids, state = 0, typed = false, transport = 'ws', security = () => ({}) }: ClusterOptions = {},
  ): Promise<Cluster> {
    const addresses = await Promise.all(
      ids.map(async (id) => [id, `${transport}://127.0.0.1:${await freePort()}`] as const),
    );
    const cluster = new Cluster(path, Object.fromEntries(addresses), { state, typed, transport }, security);
    const elected = new Promise<void>((resolve) => (cluster.#onLeader = resolve));
    // This listener must run before the listener that removes the folder, because a starting
    // replica would create the folder again.
    process.prependListener('exit', () => cluster.close());
    try {
      await Promise.all(ids.map((id) => cluster.start(id)));
      await elected;
      for (const id of ids.filter((one) => !started.includes(one))) await cluster.#stopForNow(id);
    } catch (error) {
      cluster.close();
      throw error;
    }
    return cluster;
  }

  get leader(): string {
    return this.#leader;
  }

  get followers(): string[] {
    return [...this.#replicas.keys()].filter((id) => id !== this.#leader);
  }

  /** Starts a replica's node. Resolves when the node is running. */
  async start(id: string): Promise<void> {
    if (!this.#replicas.has(id)) this.#fork(id);
    const folder = join(this.#path, id);
    const security = this.#security(id);
    await this.#request(
      id,
      { kind: 'start', id, folder, members: this.#members, security, ...this.#settings },
      'started',
    );
  }

  /**
   * Closes the replica's node but keeps its process, so that a later measurement does not include
   * process startup.
   */
  async stop(id: string): Promise<void> {
    await this.#request(id, { kind: 'stop' }, 'stopped');
  }

  /** Stops a replica. If the replica is the leader, waits until another replica leads. */
  async #stopForNow(id: string): Promise<void> {
    const handedOver = id === this.#leader ? new Promise<void>((resolve) => (this.#onLeader = resolve)) : undefined;
    await this.stop(id);
    await handedOver;
  }

  /** Runs proposers on a server. Default: the leader. */
  load(proposers: number, milliseconds: number, id: string = this.#leader): Promise<LoadResult> {
    return this.#request(id, { kind: 'load', proposers, milliseconds }, 'loaded');
  }

  async counters(): Promise<Map<string, Counters>> {
    const all = await Promise.all(
      ids.map(async (id) => [id, (await this.#request(id, { kind: 'counters' }, 'counters')).counters] as const),
    );
    return new Map(all);
  }

  /** Takes a snapshot on the leader. */
  snapshot(): Promise<SnapshotResult> {
    return this.#request(this.#leader, { kind: 'snapshot' }, 'snapshotTaken');
  }

  /** Resolves when the follower has installed the next snapshot that it receives. */
  caughtUp(id: string): Promise<CatchUpResult> {
    return this.#nextReply(id, 'caughtUp');
  }

  close(): void {
    for (const replica of this.#replicas.values()) replica.kill();
  }

  #fork(id: string): void {
    const replica = fork(new URL('replica.js', import.meta.url), [], { execArgv: EXEC });
    this.#replicas.set(id, replica);
    replica.on('message', (message: Reply) => {
      if (message.kind !== 'leads') return;
      this.#leader = id;
      this.#onLeader();
    });
  }

  #request<Kind extends Reply['kind']>(id: string, request: Request, kind: Kind): Promise<ReplyOf<Kind>> {
    const reply = this.#nextReply(id, kind);
    this.#replicas.get(id)?.send(request);
    return reply;
  }

  #nextReply<Kind extends Reply['kind']>(id: string, kind: Kind): Promise<ReplyOf<Kind>> {
    const replica = this.#replicas.get(id);
    if (replica === undefined) throw new Error(`Replica ${id} is not running.`);
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`Replica ${id} exited with code ${code}.`));
      const onMessage = (reply: Reply): void => {
        if (reply.kind !== kind) return;
        replica.off('message', onMessage);
        replica.off('exit', onExit);
        resolve(reply as ReplyOf<Kind>);
      };
      replica.on('message', onMessage);
      replica.once('exit', onExit);
    });
  }
}
