import { fork, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Counted } from './counting.js';
import type { LoadResult } from './load.js';
import type { Reply, Request } from './replica.js';

const ids = ['a', 'b', 'c'];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Three processes over WebSocket, with logs on the disk; the proposers are in the leader's process. */
export class Durable {
  readonly #replicas = new Map<string, ChildProcess>();
  #leader = '';

  static async open(path: string): Promise<Durable> {
    const all = new Durable();
    const addresses = await Promise.all(ids.map(async (id) => [id, `ws://127.0.0.1:${await freePort()}`] as const));
    const members = Object.fromEntries(addresses);
    const led = new Promise<void>((resolve, reject) => {
      for (const id of ids) {
        const replica = fork(new URL('replica.js', import.meta.url));
        all.#replicas.set(id, replica);
        replica.on('message', (message: Reply) => {
          if (message.kind !== 'leads') return;
          all.#leader = id;
          resolve();
        });
        replica.once('exit', (code) => reject(new Error(`Replica ${id} ended with ${code}.`)));
        replica.send({ kind: 'start', id, folder: join(path, id), members } satisfies Request);
      }
    });
    await led;
    return all;
  }

  get leader(): string {
    return this.#leader;
  }

  async load(proposers: number, milliseconds: number): Promise<LoadResult> {
    return this.#ask(this.#leader, { kind: 'load', proposers, milliseconds }, 'loaded');
  }

  async counts(): Promise<Map<string, Counted>> {
    const all = await Promise.all(
      ids.map(async (id) => [id, (await this.#ask(id, { kind: 'counts' }, 'counts')).counted] as const),
    );
    return new Map(all);
  }

  close(): void {
    for (const replica of this.#replicas.values()) {
      replica.removeAllListeners('exit');
      replica.kill();
    }
  }

  #ask<Kind extends Reply['kind']>(
    id: string,
    request: Request,
    kind: Kind,
  ): Promise<Extract<Reply, { readonly kind: Kind }>> {
    const replica = this.#replicas.get(id) as ChildProcess;
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`Replica ${id} ended with ${code}.`));
      const hear = (reply: Reply): void => {
        if (reply.kind !== kind) return;
        replica.off('message', hear);
        replica.off('exit', ended);
        resolve(reply as Extract<Reply, { readonly kind: Kind }>);
      };
      replica.on('message', hear);
      replica.once('exit', ended);
      replica.send(request);
    });
  }
}
