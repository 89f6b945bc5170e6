import { checkHistory } from '../linearizability/check.js';
import type { Operation } from '../linearizability/history.js';
import { list, register, type ListInput, type RegisterInput } from '../linearizability/models.js';
import { Random } from '../random.js';
import { DurableKeyValueMachine, encodeCommand, KeyValueMachine, type KeyValues } from './key-value-machine.js';
import type { Request, Environment, Workload } from './workload.js';

type Machine = KeyValueMachine;
type KeyValueRequest = Request<KeyValues, unknown>;

/**
 * Number of requests after which the workload switches to new keys. This keeps the history of each
 * key short.
 */
const ROTATION = 80;
const KEYS = 4;

/**
 * The default workload. Clients read, write, delete and compare-and-set registers, and append to
 * lists and read them. Every written value is unique. At the end, the history of each key must be
 * linearizable.
 */
export class KeyValueWorkload implements Workload<Machine> {
  readonly registers: Operation<RegisterInput>[] = [];
  readonly lists: Operation<ListInput>[] = [];
  /**
   * The value that was last read from each key. The next compare-and-set on the key expects this
   * value.
   */
  readonly #seen = new Map<string, string | null>();

  machine({ folder, random, seed }: Environment): Machine {
    const durable = new Random(seed, 'durable machines').chance(0.4);
    return durable ? new DurableKeyValueMachine(folder, random) : new KeyValueMachine();
  }

  digest({ values, lists }: Machine): string {
    return JSON.stringify([[...values], [...lists]]);
  }

  request(random: Random, number: number): Request<Machine, unknown> {
    return this.draw(random, number);
  }

  /** Draws a random request for any machine whose state has values and lists by key. */
  draw(random: Random, number: number): KeyValueRequest {
    const key = `k${Math.floor(number / ROTATION)}.${random.below(KEYS)}`;
    const value = `v${number}`;
    if (random.chance(0.2)) return random.chance(0.5) ? this.#append(key, value) : this.#readList(key);
    if (random.chance(0.4)) return this.#read(key);
    return random.chance(0.3) ? this.#compareAndSet(key, value) : this.#write(key, random.chance(0.1) ? null : value);
  }

  anomalies(): readonly string[] {
    const wrong = [...checkHistory(register, this.registers), ...checkHistory(list, this.lists)];
    return wrong.map(({ key, operations }) => {
      const lines = operations.map(({ call, end, input }) => `${call}-${end ?? '?'} ${JSON.stringify(input)}`);
      return `${key}: ${lines.join('; ')}`;
    });
  }

  #read(key: string): KeyValueRequest {
    return {
      read: ({ values }) => values.get(key) ?? null,
      onEnd: (call, end, answer) => {
        const value = answer as string | null;
        if (end === null) return;
        this.#seen.set(key, value);
        this.registers.push({ key, call, end, input: { type: 'read', value } });
      },
    };
  }

  #write(key: string, value: string | null): KeyValueRequest {
    const onEnd = (call: number, end: number | null): void => {
      this.registers.push({ key, call, end, input: { type: 'write', value } });
    };
    return { command: encodeCommand({ type: 'write', key, value }), onEnd };
  }

  #compareAndSet(key: string, value: string): KeyValueRequest {
    const expected = this.#seen.get(key) ?? null;
    return {
      command: encodeCommand({ type: 'cas', key, expected, value }),
      onEnd: (call, end, answer) => {
        const done = end === null ? {} : { done: answer as boolean };
        this.registers.push({ key, call, end, input: { type: 'cas', expected, value, ...done } });
      },
    };
  }

  #append(key: string, value: string): KeyValueRequest {
    const onEnd = (call: number, end: number | null): void => {
      this.lists.push({ key, call, end, input: { type: 'append', value } });
    };
    return { command: encodeCommand({ type: 'append', key, value }), onEnd };
  }

  #readList(key: string): KeyValueRequest {
    return {
      read: ({ lists }) => [...(lists.get(key) ?? [])],
      onEnd: (call, end, answer) => {
        if (end !== null) this.lists.push({ key, call, end, input: { type: 'read', values: answer as string[] } });
      },
    };
  }
}
