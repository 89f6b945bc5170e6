// Shows that clients with sessions get an outcome for each command, and that each command is applied
// once, while real node processes are killed, suspended and cut off from their peers.
// `SESSIONS_SECONDS` sets the duration.
import { checkHistory, Random, register } from '@kontiki/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually, type NodeStatus } from './cluster.js';
import { PeerLinks } from './peer-links.js';
import { Recorder } from './recorder.js';

const SECONDS = Number(process.env['SESSIONS_SECONDS'] ?? 8);
const CLIENTS = 20;

type Link = readonly [from: string, to: string];
const both = (a: string, b: string): Link[] => [
  [a, b],
  [b, a],
];

/** The links of node `id` to its peers `a` and `b` that each kind of partition cuts. */
const PARTITIONS: Readonly<Record<string, (id: string, a: string, b: string) => Link[]>> = {
  isolation: (id, a, b) => [...both(id, a), ...both(id, b)],
  'incoming cut': (id, a, b) => [
    [a, id],
    [b, id],
  ],
  'outgoing cut': (id, a, b) => [
    [id, a],
    [id, b],
  ],
  'link cut': (id, a) => both(id, a),
  'link cut one way': (id, a) => [[id, a]],
};

const KINDS = ['kill -9', 'SIGSTOP', ...Object.keys(PARTITIONS)];
/** A leader that loses one link keeps a majority, and its peers stay up to date. */
const ONE_LINK = ['link cut', 'link cut one way'];

let cluster: DemoCluster;
let links: PeerLinks;
beforeEach(async () => {
  cluster = await DemoCluster.create();
  links = new PeerLinks(cluster);
});
afterEach(async () => {
  links.close();
  await cluster.remove();
});

/** Creates a cluster whose nodes reach each other through proxies. */
async function start(): Promise<void> {
  const demo = await cluster.start();
  demo.process.kill('SIGTERM');
  await demo.result;
  await links.start();
  for (const id of cluster.ids) links.run(id);
}

async function leader(): Promise<NodeStatus> {
  let status: NodeStatus | undefined;
  await eventually('a node leads', async () => (status = await cluster.leader()) !== undefined);
  return status as NodeStatus;
}

/** Injects a fault, and returns a function that ends it. */
function inject(kind: string, { id, pid }: NodeStatus, [a = '', b = '']: readonly string[]): () => unknown {
  if (kind === 'kill -9') {
    process.kill(pid, 'SIGKILL');
    return () => links.run(id);
  }
  if (kind === 'SIGSTOP') {
    process.kill(pid, 'SIGSTOP');
    return () => process.kill(pid, 'SIGCONT');
  }
  for (const [from, to] of PARTITIONS[kind]?.(id, a, b) ?? []) links.cut(from, to);
  return () => links.heal();
}

it(
  'commands in sessions are applied once while nodes are killed, suspended and cut off',
  async () => {
    await start();
    const recorder = new Recorder(cluster, CLIENTS, { timeout: 30_000 });
    const random = new Random(1, 'faults');
    const counts = new Map<string, number>();
    const end = performance.now() + SECONDS * 1_000;
    for (let i = 0; performance.now() < end || i < KINDS.length; i += 1) {
      const kind = KINDS[i % KINDS.length] as string;
      const leads = await leader();
      const target = random.chance(0.5) ? leads : ((await cluster.status(random.pick(cluster.ids))) ?? leads);
      const { id } = target;
      const peers = cluster.ids.filter((other) => other !== id);
      const enough = recorder.history.length + random.between(500, 3_000);
      const undo = inject(kind, target, random.chance(0.5) ? peers : peers.reverse());
      try {
        if (id === leads.id && !ONE_LINK.includes(kind))
          await eventually(
            `another node leads after ${kind} of ${id}`,
            async () => ((await cluster.leader(id))?.term ?? 0) > leads.term,
          );
        await eventually(`clients continue after ${kind} of ${id}`, () => recorder.history.length >= enough);
        // A node can receive entries while its own messages are dropped.
        if (![...ONE_LINK, 'outgoing cut'].includes(kind)) expect(await cluster.caughtUp(id)).toBe(false);
      } finally {
        undo();
      }
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      await eventually(`${id} has caught up after ${kind}`, () => cluster.caughtUp(id));
    }
    await recorder.stop();
    const { history, unknown } = recorder;
    const faults = [...counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.log(`sessions: ${history.length} operations of ${CLIENTS} clients, ${unknown} unknown, faults: ${faults}`);
    expect(unknown).toBe(0);
    expect(history.length).toBeGreaterThan(50 * SECONDS);
    expect(checkHistory(register, history)).toEqual([]);
  },
  SECONDS * 1_000 + 120_000,
);
