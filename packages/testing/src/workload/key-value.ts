import { checkHistory } from '../linearizability/check.js';
import type { Operation } from '../linearizability/history.js';
import { list, register, type ListInput, type RegisterInput } from '../linearizability/models.js';
import { Random } from '../random.js';
import { DurableKeyValueMachine, encodeCommand, KeyValueMachine } from './key-value-machine.js';
import type { Request, Environment, Workload } from './workload.js';

type Machine = KeyValueMachine;
type Asked = Request<Machine, unknown>;

/** Operations on a set of keys before another set is used, so that the history of each key stays short. */
const ROTATION = 80;
const KEYS = 4;

/**
 * Registers that are read, written, deleted, compared and set, and lists that are appended to and read. No value is
 * written twice. In the end everything that clients were told must fit into one order (it is linearizable).
 */
export class KeyValueWorkload implements Workload<Machine> {
  readonly registers: Operation<RegisterInput>[] = [];
  readonly lists: Operation<ListInput>[] = [];
  /** By key, what a client last saw there: something for the next one to expect. */
  readonly #seen = new Map<string, string | null>();

  machine({ folder, random, seed }: Environment): Machine {
    const durable = new Random(seed, 'durable machines').chance(0.4);
    return durable ? new DurableKeyValueMachine(folder, random) : new KeyValueMachine();
  }

  digest({ values, lists }: Machine): string {
    return JSON.stringify([[...values], [...lists]]);
  }

  request(random: Random, number: number): Asked {
    const key = `k${Math.floor(number / ROTATION)}.${random.below(KEYS)}`;
    const value = `v${number}`;
    if (random.chance(0.2)) return random.chance(0.5) ? this.#append(key, value) : this.#readList(key);
    if (random.chance(0.4)) return this.#read(key);
    return random.chance(0.3) ? this.#compareAndSet(key, value) : this.#write(key, random.chance(0.1) ? null : value);
  }

  anomalies(): readonly string[] {
    const wrong = [...checkHistory(register, this.registers), ...checkHistory(list, this.lists)];
    return wrong.map(({ key, operations }) => {
      const told = operations.map(({ call, end, input }) => `${call}-${end ?? '?'} ${JSON.stringify(input)}`);
      return `${key}: ${told.join('; ')}`;
    });
  }

  #read(key: string): Asked {
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

  #write(key: string, value: string | null): Asked {
    const onEnd = (call: number, end: number | null): void => {
      this.registers.push({ key, call, end, input: { type: 'write', value } });
    };
    return { command: encodeCommand({ type: 'write', key, value }), onEnd };
  }

  #compareAndSet(key: string, value: string): Asked {
    const expected = this.#seen.get(key) ?? null;
    return {
      command: encodeCommand({ type: 'cas', key, expected, value }),
      onEnd: (call, end, answer) => {
        const done = end === null ? {} : { done: answer as boolean };
        this.registers.push({ key, call, end, input: { type: 'cas', expected, value, ...done } });
      },
    };
  }

  #append(key: string, value: string): Asked {
    const onEnd = (call: number, end: number | null): void => {
      this.lists.push({ key, call, end, input: { type: 'append', value } });
    };
    return { command: encodeCommand({ type: 'append', key, value }), onEnd };
  }

  #readList(key: string): Asked {
    return {
      read: ({ lists }) => [...(lists.get(key) ?? [])],
      onEnd: (call, end, answer) => {
        if (end !== null) this.lists.push({ key, call, end, input: { type: 'read', values: answer as string[] } });
      },
    };
  }
}
