// The page for the browser test. It runs a cluster of one server, which counts how often the page
// has been loaded.
import { BrowserLevel } from 'browser-level';
import { bootstrap, isKontikiError, MemoryNetwork, RaftNode, type ApplyBatch } from '@kontiki/core';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';

const [cluster, id] = ['page-5be0cd19137e', 'a'];

class Counter {
  total = 0;
  apply = ({ entries }: ApplyBatch): number[] => entries.map(({ data }) => (this.total += data[0] ?? 0));
  async *snapshot(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(this.total);
  }
  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const [total = 0] of chunks) this.total = total;
  }
}

async function run(): Promise<unknown> {
  const database = new BrowserLevel('counter');
  const log = new LevelLog(database);
  await bootstrap(log, { cluster, server: id, members: { a: 'memory:a' } }).catch((error: unknown) => {
    if (!isKontikiError(error, 'KONTIKI_NOT_BLANK')) throw error;
  });
  const machine = new Counter();
  const transport = new MemoryNetwork().transport();
  const snapshots = new LevelSnapshots(database);
  const node = await RaftNode.open({ id, cluster, log, snapshots, transport, machine });
  const { base } = node.status();
  if (!node.isLeader) await new Promise<void>((led) => node.on('state', ({ role }) => role === 'leader' && led()));
  const { result } = await node.propose(Uint8Array.of(1));
  // Propose a large command, which takes several pages to read back.
  await node.propose(new Uint8Array(300_000).fill(1));
  const { last } = await node.snapshot();
  await node.close();
  await database.close();
  return { result, base, snapshot: last.index };
}

// The tabs of a browser share its databases, so only one tab at a time may run the node.
const result = await navigator.locks
  .request('counter', () => run())
  .catch((error: unknown) => ({ error: String(error) }));
await fetch('/result', { method: 'POST', body: JSON.stringify(result) });
if (new URL(location.href).hash === '') {
  location.hash = 'again';
  location.reload();
}
