import {
  CommandError,
  defineStateMachine,
  MemoryLog,
  MemorySnapshots,
  TypedNode,
  type CommandEntry,
  type Definition,
  type StandardSchemaV1,
  type TypedNodeOptions,
} from '@kontiki/core';
import { Random } from '@kontiki/testing';
import { atOnce, Nodes } from '../node/harness.js';

/** Returns a validator that accepts an input if `parse` returns a value for it. */
function schema<Input, Output>(parse: (value: unknown) => Output | undefined): StandardSchemaV1<Input, Output> {
  const validate = (value: unknown) => {
    const output = parse(value);
    return output === undefined ? { issues: [{ message: 'Expected digits', path: ['text'] }] } : { value: output };
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

const digits = schema<string, number>((value) => (/^\d+$/.test(String(value)) ? Number(value) : undefined));

/** A counter with one command of every kind. */
export const counter = defineStateMachine({
  initial: () => ({ total: 0, notes: [] as string[] }),
  commands: {
    add: (state, amount: number) => (state.total += amount),
    reset: (state) => {
      state.total = 0;
    },
    note: (state, text: string, context) => {
      state.notes.push(text);
      return { notes: state.notes, at: context.index };
    },
    set: {
      input: digits,
      run: (state, value, context) => ({ was: state.total, now: (state.total = value), ...context }),
    },
    take: (state, amount: number) => {
      if (amount > state.total) throw new CommandError('TOO_FEW', `There are only ${state.total}.`);
      return (state.total -= amount);
    },
    crash: () => {
      throw new RangeError('a bug');
    },
  },
  queries: {
    total: (state) => state.total,
    notes: (state) => state.notes,
    above: (state, least: number) => state.total > least,
  },
});
export type Counter = typeof counter;

/** Nodes with typed state machines, on virtual time. */
export class TypedNodes<D extends Definition = Definition> {
  readonly below = new Nodes();
  readonly #random = new Random(1).next;
  readonly stores = new Map<string, MemorySnapshots>();
  readonly nodes = new Map<string, TypedNode<D>>();

  async open(id: string, machine: D, options: Partial<TypedNodeOptions<D>> = {}): Promise<TypedNode<D>> {
    const { clock, network, logs } = this.below;
    const log = logs.get(id) ?? new MemoryLog();
    logs.set(id, log);
    const snapshots = this.stores.get(id) ?? new MemorySnapshots();
    this.stores.set(id, snapshots);
    const node = await TypedNode.open<D>({
      id,
      cluster: 'test',
      machine,
      log,
      snapshots,
      snapshotPolicy: { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 0 },
      transport: network.transport(),
      timings: { heartbeat: 50, election: 200 },
      clock,
      random: this.#random,
      ...options,
    });
    this.nodes.set(id, node);
    return node;
  }

  /** Bootstraps and opens the servers. Resolves with the leader. */
  async cluster(machine: D, ...ids: string[]): Promise<TypedNode<D>> {
    await this.below.bootstrap(...ids);
    for (const id of ids) await this.run(this.open(id, machine));
    return this.leader();
  }

  /** Resolves with the leader as soon as a leader has committed an entry of its own term. */
  async leader(): Promise<TypedNode<D>> {
    const leading = (): TypedNode<D> | undefined =>
      [...this.nodes.values()].find(({ raft }) => raft.isLeader && raft.status().applied > 0);
    await this.below.clock.until(() => leading() !== undefined);
    return leading() as TypedNode<D>;
  }

  /** Advances virtual time until a promise settles. Settles with the same value or error. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const result = promise.finally(() => (settled = true));
    result.catch(() => {});
    await this.below.clock.until(() => settled);
    return result;
  }

  /** Closes a server immediately, and removes it from the list of nodes. */
  async stop(id: string): Promise<void> {
    await this.run((this.nodes.get(id) as TypedNode<D>).close(atOnce));
    this.nodes.delete(id);
  }

  async close(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((node) => node.close(atOnce)));
  }
}

/** Returns log entries with these commands. The first entry has index 2. */
export function entries(...commands: Uint8Array[]): CommandEntry[] {
  return commands.map((data, i) => ({ kind: 'command', index: i + 2, term: 1, data }));
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return collected;
}

export async function* stream(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
