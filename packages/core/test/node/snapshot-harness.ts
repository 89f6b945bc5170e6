import { MemorySnapshots, type NodeOptions, type RaftNode, type SnapshotPolicy } from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import { afterEach, beforeEach } from 'vitest';
import { bytes, Journal, Nodes } from './harness.js';

/**
 * A journal with snapshots. The first chunk of a snapshot contains the number of commands, and
 * every other chunk contains one command.
 */
export class SnapshotJournal extends Journal {
  /** Called before each chunk except the first one. The snapshot waits for the returned promise. */
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

/** The nodes of the running test. */
export let nodes: Nodes;
/** The snapshot stores of the running test, by server. They survive restarts. */
export const stores: Map<string, MemorySnapshots> = new Map();
/** The state machine that each server created at its last start. */
export const machines: Map<string, SnapshotJournal> = new Map();

beforeEach(() => {
  nodes = new Nodes();
  stores.clear();
  machines.clear();
});
afterEach(() => nodes.close());

/** A policy under which snapshots are taken only by `snapshot()`. */
export const onDemand: Partial<SnapshotPolicy> = { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 0 };

/** Opens a server with an empty state machine and its snapshot store. */
export async function open(id: string, options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
  const machine = new SnapshotJournal();
  machines.set(id, machine);
  const store = stores.get(id) ?? new MemorySnapshots();
  stores.set(id, store);
  return nodes.open(id, { machine, snapshots: store, snapshotPolicy: onDemand, ...options });
}

/** Starts a cluster and resolves with its leader. */
export async function cluster(
  ids: readonly string[],
  options: Partial<NodeOptions<number>> = {},
): Promise<RaftNode<number>> {
  await nodes.bootstrap(...ids);
  for (const id of ids) await open(id, options);
  await nodes.clock.until(() => nodes.leader !== undefined);
  return nodes.leader as RaftNode<number>;
}

/** Proposes `count` commands to the current leader, one at a time, waiting for each result. */
export async function write(count: number, prefix = 'x'): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const proposed = (nodes.leader as RaftNode<number>).propose(bytes(`${prefix}${i}`));
    let done = false;
    void proposed.then(() => (done = true));
    await nodes.clock.until(() => done);
  }
}

/** Advances virtual time until a promise settles. Settles with the same value or error. */
export async function runToEnd<T>(promise: Promise<T>): Promise<T> {
  let settled = false;
  const result = promise.finally(() => (settled = true));
  result.catch(() => {});
  await nodes.clock.until(() => settled);
  return result;
}

/** Resolves with the state in a server's newest snapshot. */
export const stateOf = async (id: string): Promise<string> => {
  const [newest] = await (stores.get(id) as MemorySnapshots).list();
  return textOf(decodeSnapshot((stores.get(id) as MemorySnapshots).read(newest?.id ?? '')));
};
