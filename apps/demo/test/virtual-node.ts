// A cluster of one node on a virtual clock, and its HTTP interface on a real port. Log time
// advances only when a test calls `elapse`.
import {
  bootstrap,
  membershipOf,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
  SessionMachine,
  silentLogger,
  type Refused,
} from '@kontiki/core';
import { VirtualClock } from '@kontiki/testing';
import { after } from '../../../packages/peers/test/transports/servers.js';
import { KvApi } from '../src/http/api.js';
import { KvServer } from '../src/http/server.js';
import { SnapshotApi } from '../src/http/snapshot-api.js';
import { MAX_COMMAND } from '../src/kv/command.js';
import { KvMachine, type KvResult } from '../src/kv/machine.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. Its type is left to the test. */
  readonly json: any;
}

export class VirtualNode {
  readonly url: string;
  readonly machine: KvMachine;
  readonly #clock: VirtualClock;

  private constructor(url: string, machine: KvMachine, clock: VirtualClock) {
    this.url = url;
    this.machine = machine;
    this.#clock = clock;
  }

  /** Starts a node. It stops after the test. */
  static async start({ level = 2 } = {}): Promise<VirtualNode> {
    const [log, stored, clock, machine] = [new MemoryLog(), new MemorySnapshots(), new VirtualClock(), new KvMachine()];
    if (level === 2) await bootstrap(log, { cluster: 'c', server: 'a', members: { a: 'memory:a' } });
    else await startAtLevel(log, level);
    const opening = RaftNode.open<KvResult | Refused>({
      id: 'a',
      cluster: 'c',
      machine: new SessionMachine(machine),
      log,
      snapshots: stored,
      transport: new MemoryNetwork().transport(),
      maxCommandBytes: MAX_COMMAND,
      clock,
    });
    await clock.settle();
    const node = await opening;
    await clock.until(() => node.isLeader && node.status().applied === node.status().last);
    const snapshots = await SnapshotApi.open(node, stored);
    const server = new KvServer(new KvApi({ node, machine, snapshots, logger: silentLogger }).handler);
    await server.listen(0, '127.0.0.1');
    const started = new VirtualNode(`http://127.0.0.1:${server.port}`, machine, clock);
    after(() => started.during(Promise.all([server.close(), node.close()])));
    return started;
  }

  /** Advances the clock. Log time follows with the next entry. */
  elapse(ms: number): Promise<void> {
    return this.#clock.elapse(ms);
  }

  /** Runs the node until a promise settles, without advancing its clock. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = (): void => void (isSettled = true);
    promise.then(end, end);
    while (!isSettled) {
      await this.#clock.settle();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return promise;
  }

  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await this.during(fetch(`${this.url}${path}`, { method, headers, body: text ?? null }));
    const answer = await this.during(response.text());
    const isJson = response.headers.get('content-type') === 'application/json';
    const json = isJson ? JSON.parse(answer) : undefined;
    return { status: response.status, headers: response.headers, text: answer, json };
  }
}

/** Writes the first entry of a log, like a program that supports only a lower feature level. */
async function startAtLevel(log: MemoryLog, level: number): Promise<void> {
  const life = { id: 1, starts: 1 };
  const { servers, ...lists } = membershipOf([['a', { address: 'memory:a', metadata: '' }]]);
  const members = [...servers].map(([id, info]) => [id, level === 0 ? info : { ...info, store: life.id }] as const);
  const membership = { ...lists, level, servers: new Map(members) };
  await log.open({ cluster: 'c', server: 'a' });
  await log.append({ life, entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
  await log.close();
}
