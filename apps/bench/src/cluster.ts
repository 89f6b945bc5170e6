import { fork, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Counted } from './counting.js';
import type { LoadResult } from './load.js';
import type { CaughtUp, Reply, Request, Start, Taken, TransportName } from './replica.js';

export const ids: readonly string[] = ['a', 'b', 'c'];

/**
 * As if objects filled 256 MiB of the heap, as those of most services do. V8 looks through all of a small heap as often as
 * that has doubled, buffers included: with hardly anything in it, some forty times for a snapshot of 256 MiB.
 */
const EXEC = ['--initial-old-space-size=256'];

export interface ClusterOptions {
  /** Those that are started at first. Default: all. */
  readonly started?: readonly string[];
  /** Bytes of state, which snapshots are taken of. Default: none, and no snapshots. */
  readonly state?: number;
  /** Default: WebSocket. */
  readonly transport?: TransportName;
}

type ReplyOf<Kind extends Reply['kind']> = Extract<Reply, { readonly kind: Kind }>;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Three processes over WebSocket, with logs on the disk; the proposers are in the leader's process. */
export class Cluster {
  readonly #path: string;
  readonly #members: Record<string, string>;
  readonly #settings: Pick<Start, 'state' | 'transport'>;
  readonly #replicas = new Map<string, ChildProcess>();
  #leader = '';
  #led: () => void = () => {};

  private constructor(path: string, members: Record<string, string>, settings: Pick<Start, 'state' | 'transport'>) {
    this.#path = path;
    this.#members = members;
    this.#settings = settings;
  }

  static async open(
    path: string,
    { started = ids, state = 0, transport = 'ws' }: ClusterOptions = {},
  ): Promise<Cluster> {
    const addresses = await Promise.all(
      ids.map(async (id) => [id, `${transport}://127.0.0.1:${await freePort()}`] as const),
    );
    const all = new Cluster(path, Object.fromEntries(addresses), { state, transport });
    const led = new Promise<void>((resolve) => (all.#led = resolve));
    // Before the folder is taken away: a replica that starts would make it again.
    process.prependListener('exit', () => all.close());
    try {
      await Promise.all(started.map((id) => all.start(id)));
      await led;
    } catch (error) {
      all.close();
      throw error;
    }
    return all;
  }

  get leader(): string {
    return this.#leader;
  }

  get followers(): string[] {
    return [...this.#replicas.keys()].filter((id) => id !== this.#leader);
  }

  /** Resolves when it takes part. */
  async start(id: string): Promise<void> {
    if (!this.#replicas.has(id)) this.#fork(id);
    const folder = join(this.#path, id);
    await this.#ask(id, { kind: 'start', id, folder, members: this.#members, ...this.#settings }, 'started');
  }

  /** It takes no part any more. Its process stays, so that what starts again is not measured together with a process. */
  async stop(id: string): Promise<void> {
    await this.#ask(id, { kind: 'stop' }, 'stopped');
  }

  load(proposers: number, milliseconds: number): Promise<LoadResult> {
    return this.#ask(this.#leader, { kind: 'load', proposers, milliseconds }, 'loaded');
  }

  async counts(): Promise<Map<string, Counted>> {
    const all = await Promise.all(
      ids.map(async (id) => [id, (await this.#ask(id, { kind: 'counts' }, 'counts')).counted] as const),
    );
    return new Map(all);
  }

  /** The leader takes a snapshot. */
  snapshot(): Promise<Taken> {
    return this.#ask(this.#leader, { kind: 'snapshot' }, 'taken');
  }

  /** Resolves when a follower has installed the next snapshot. */
  caughtUp(id: string): Promise<CaughtUp> {
    return this.#hear(id, 'caughtUp');
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
      this.#led();
    });
  }

  #ask<Kind extends Reply['kind']>(id: string, request: Request, kind: Kind): Promise<ReplyOf<Kind>> {
    const answer = this.#hear(id, kind);
    this.#replicas.get(id)?.send(request);
    return answer;
  }

  #hear<Kind extends Reply['kind']>(id: string, kind: Kind): Promise<ReplyOf<Kind>> {
    const replica = this.#replicas.get(id);
    if (replica === undefined) throw new Error(`Replica ${id} does not run.`);
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`Replica ${id} ended with ${code}.`));
      const hear = (reply: Reply): void => {
        if (reply.kind !== kind) return;
        replica.off('message', hear);
        replica.off('exit', ended);
        resolve(reply as ReplyOf<Kind>);
      };
      replica.on('message', hear);
      replica.once('exit', ended);
    });
  }
}
