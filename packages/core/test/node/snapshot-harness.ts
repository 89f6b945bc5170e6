import { MemorySnapshots, type NodeOptions, type RaftNode, type SnapshotPolicy } from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import { afterEach, beforeEach } from 'vitest';
import { bytes, Journal, Nodes } from './harness.js';

/** A journal that gives its state, a command a chunk, and takes one over. */
export class KeptJournal extends Journal {
  /** Waits before each chunk but the first. */
  gate: () => Promise<void> = () => Promise.resolve();
  blocksApply = false;

  async *snapshot(): AsyncIterable<Uint8Array> {
    const commands = this.blocksApply ? this.commands : [...this.commands];
    yield bytes(`${this.commands.length}\n`);
    for (const text of commands) {
      await this.gate();
      yield bytes(`${text}\n`);
    }
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const [, ...commands] = (await textOf(chunks)).split('\n').slice(0, -1);
    this.commands.splice(0, Infinity, ...commands);
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
  return text;
}

/** Those of the test that runs. */
export let nodes: Nodes;
export const stores: Map<string, MemorySnapshots> = new Map();
export const machines: Map<string, KeptJournal> = new Map();

beforeEach(() => {
  nodes = new Nodes();
  stores.clear();
  machines.clear();
});
afterEach(() => nodes.close());

/** No snapshot is taken but on demand. */
export const never: Partial<SnapshotPolicy> = { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 0 };

export async function open(id: string, options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
  const machine = new KeptJournal();
  machines.set(id, machine);
  const store = stores.get(id) ?? new MemorySnapshots();
  stores.set(id, store);
  return nodes.open(id, { machine, snapshots: store, snapshotPolicy: never, ...options });
}

export async function cluster(
  ids: readonly string[],
  options: Partial<NodeOptions<number>> = {},
): Promise<RaftNode<number>> {
  await nodes.bootstrap(...ids);
  for (const id of ids) await open(id, options);
  await nodes.clock.until(() => nodes.leader !== undefined);
  return nodes.leader as RaftNode<number>;
}

/** Proposes `count` commands at whoever leads, and waits for their results. */
export async function write(count: number, prefix = 'x'): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const proposed = (nodes.leader as RaftNode<number>).propose(bytes(`${prefix}${i}`));
    let done = false;
    void proposed.then(() => (done = true));
    await nodes.clock.until(() => done);
  }
}

export async function settled<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = promise.finally(() => (over = true));
  end.catch(() => {});
  await nodes.clock.until(() => over);
  return end;
}

/** The state in the newest snapshot of a server. */
export const stateOf = async (id: string): Promise<string> => {
  const [newest] = await (stores.get(id) as MemorySnapshots).list();
  return textOf(decodeSnapshot((stores.get(id) as MemorySnapshots).read(newest?.id ?? '')));
};
