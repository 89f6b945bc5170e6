import { SessionMachine, type SessionCall } from '@kontiki/core';
import type { Random } from '../random.js';
import { KeyValueMachine } from './key-value-machine.js';
import { KeyValueWorkload } from './key-value.js';
import type { Request, Workload } from './workload.js';

type Machine = SessionMachine<boolean>;
type SessionRequest = Request<Machine, unknown>;

/** Maximum number of commands of a client that have no outcome yet. */
const MAX_OPEN = 50;
const CLIENTS = 3;

/** A command of a client that has no outcome yet. */
interface OpenCommand {
  readonly command: Uint8Array;
  readonly sequence: number;
  readonly onEnd: NonNullable<SessionRequest['onEnd']>;
  /** When the first attempt without a known outcome began; undefined if there was none. */
  call: number | undefined;
  isInFlight: boolean;
}

/** A client with one session. When the session ends, another client takes its place. */
interface Client {
  session: number | undefined;
  isOpening: boolean;
  sequence: number;
  /** Commands without an outcome by sequence number, in ascending order. */
  readonly open: Map<number, OpenCommand>;
}

/**
 * The requests of a `KeyValueWorkload`, by clients that retry commands of unknown outcome in their
 * sessions, on any server. An append that is applied twice, and a reply that differs from the
 * first, are not linearizable. Some commands use the sessions of the servers instead.
 */
export class SessionWorkload implements Workload<Machine> {
  readonly #inner = new KeyValueWorkload();
  readonly #machines = new WeakMap<Machine, KeyValueMachine>();
  readonly #clients: Client[] = Array.from({ length: CLIENTS }, newClient);
  /** Clients whose sessions have ended, but whose commands may be in flight. */
  readonly #former: Client[] = [];

  machine(): Machine {
    const inner = new KeyValueMachine();
    const machine = new SessionMachine<boolean>(inner);
    this.#machines.set(machine, inner);
    return machine;
  }

  digest(machine: Machine): string {
    return this.#inner.digest(this.#machines.get(machine) as KeyValueMachine);
  }

  request(random: Random, number: number): SessionRequest {
    const inner = this.#inner.request(random, number);
    const { command } = inner;
    const onEnd: OpenCommand['onEnd'] = (call, end, answer) => inner.onEnd?.(call, end, answer);
    const at = random.below(CLIENTS);
    const client = this.#clients[at] as Client;
    const repeated = [...client.open.values()].find(({ isInFlight }) => !isInFlight);
    if (repeated !== undefined && random.chance(0.6)) return this.#attempt(at, client, repeated);
    if (command === undefined)
      return { read: (machine) => inner.read?.(this.#machines.get(machine) as KeyValueMachine), onEnd };
    const isFull = client.isOpening || client.open.size >= MAX_OPEN;
    if (isFull || random.chance(0.3)) return { command, onEnd, session: true };
    if (client.session === undefined) return this.#open(client);
    const opened = { command, sequence: (client.sequence += 1), onEnd, call: undefined, isInFlight: true };
    client.open.set(opened.sequence, opened);
    return this.#attempt(at, client, opened);
  }

  anomalies(): readonly string[] {
    for (const { open } of [...this.#clients, ...this.#former])
      for (const { call, onEnd } of open.values()) if (call !== undefined) onEnd(call, null, undefined);
    return this.#inner.anomalies();
  }

  #open(client: Client): SessionRequest {
    client.isOpening = true;
    return {
      session: 'open',
      onEnd: (_call, end, answer) => {
        client.isOpening = false;
        if (end !== null) client.session = answer as number;
      },
      onRefused: () => (client.isOpening = false),
    };
  }

  #attempt(at: number, client: Client, open: OpenCommand): SessionRequest {
    open.isInFlight = true;
    const { sequence, command } = open;
    const [first = sequence] = client.open.keys();
    const session: SessionCall = { session: client.session as number, sequence, settled: first - 1 };
    return {
      command,
      session,
      onEnd: (call, end, answer) => {
        open.isInFlight = false;
        open.call ??= call;
        if (end === null) return;
        client.open.delete(sequence);
        open.onEnd(open.call, end, answer);
      },
      onRefused: (hasEnded) => {
        open.isInFlight = false;
        // The attempt had no effect. An earlier attempt may still have one.
        if (open.call === undefined) client.open.delete(sequence);
        if (!hasEnded || this.#clients[at] !== client) return;
        this.#former.push(client);
        this.#clients[at] = newClient();
      },
    };
  }
}

function newClient(): Client {
  return { session: undefined, isOpening: false, sequence: 0, open: new Map() };
}
