import { isKontikiError, Replica, SessionMachine, type Outcome, type SessionCall } from '@kontiki/core';
import type { Random } from '../random.js';
import { decodeCommand } from './key-value-machine.js';
import { KeyValueWorkload } from './key-value.js';
import { versionedMachine, type VersionedResult, type VersionedState } from './versioned-machine.js';
import type { Environment, Request, Workload } from './workload.js';

type Machine = SessionMachine<Outcome>;
type SessionRequest = Request<Machine, unknown>;

/** Maximum number of commands of a client that have no outcome yet. */
const MAX_OPEN = 50;
const CLIENTS = 3;

/** A command of a client that has no outcome yet. */
interface OpenCommand {
  readonly encode: NonNullable<SessionRequest['encode']>;
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
 * The state machine is typed and has several versions. Each result contains the version that ran
 * the command.
 */
export class SessionWorkload implements Workload<Machine> {
  readonly #inner = new KeyValueWorkload();
  readonly #replicas = new WeakMap<Machine, Replica<VersionedState>>();
  readonly #clients: Client[] = Array.from({ length: CLIENTS }, newClient);
  /** Clients whose sessions have ended, but whose commands may be in flight. */
  readonly #former: Client[] = [];
  /** The results that clients have received, by the log index of the command. */
  readonly #results = new Map<number, VersionedResult>();
  readonly #contradictions: string[] = [];

  machine({ clock, version }: Environment): Machine {
    const replica = new Replica(versionedMachine(version), clock);
    const machine = new SessionMachine<Outcome>(replica, undefined, clock);
    this.#replicas.set(machine, replica);
    return machine;
  }

  raise(machine: Machine, version: number): Uint8Array | undefined {
    const replica = this.#replicaOf(machine);
    return version > replica.raised ? replica.encodeRaise(version) : undefined;
  }

  digest(machine: Machine): string {
    const { raised, state } = this.#replicaOf(machine);
    const { version, checksum, values, lists } = state;
    return JSON.stringify([raised, version, checksum, [...values], [...lists]]);
  }

  request(random: Random, number: number): SessionRequest {
    const inner = this.#inner.draw(random, number);
    const at = random.below(CLIENTS);
    const client = this.#clients[at] as Client;
    const repeated = [...client.open.values()].find(({ isInFlight }) => !isInFlight);
    if (repeated !== undefined && random.chance(0.6)) return this.#attempt(at, client, repeated);
    if (inner.command === undefined) {
      const onEnd: OpenCommand['onEnd'] = (call, end, answer) => inner.onEnd?.(call, end, answer);
      return { read: (machine) => inner.read?.(this.#replicaOf(machine).state), onEnd };
    }
    const input = decodeCommand(inner.command);
    const encode = (machine: Machine): Uint8Array => this.#replicaOf(machine).encode(input.type, input);
    const onEnd: OpenCommand['onEnd'] = (call, end, answer) => {
      const done = end === null ? undefined : this.#doneOf(answer as Outcome<VersionedResult>);
      // A command whose version is no longer in force has no effect.
      if (end === null || done !== undefined) inner.onEnd?.(call, end, done);
    };
    const isFull = client.isOpening || client.open.size >= MAX_OPEN;
    if (isFull || random.chance(0.3)) return { encode, onEnd, session: true };
    if (client.session === undefined) return this.#open(client);
    const opened = { encode, sequence: (client.sequence += 1), onEnd, call: undefined, isInFlight: true };
    client.open.set(opened.sequence, opened);
    return this.#attempt(at, client, opened);
  }

  anomalies(): readonly string[] {
    for (const { open } of [...this.#clients, ...this.#former])
      for (const { call, onEnd } of open.values()) if (call !== undefined) onEnd(call, null, undefined);
    const versions = [...this.#results.values()].sort((a, b) => a.index - b.index);
    const fallen = versions.find(({ version }, i) => version < (versions[i - 1]?.version ?? 0));
    if (fallen !== undefined) this.#contradictions.push(`version ${fallen.version} ran entry ${fallen.index} too late`);
    return [...this.#contradictions, ...this.#inner.anomalies()];
  }

  #replicaOf(machine: Machine): Replica<VersionedState> {
    return this.#replicas.get(machine) as Replica<VersionedState>;
  }

  /**
   * Returns whether an applied command took effect. Undefined if the command's version was not in
   * force.
   */
  #doneOf(outcome: Outcome<VersionedResult>): boolean | undefined {
    if ('error' in outcome) {
      if (!isKontikiError(outcome.error, 'KONTIKI_BEHAVIOR')) this.#contradictions.push(outcome.error.message);
      return undefined;
    }
    const { index, done } = outcome.result;
    if (this.#results.has(index)) this.#contradictions.push(`entry ${index} is the result of two commands`);
    this.#results.set(index, outcome.result);
    return done;
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
    const { sequence, encode } = open;
    const [first = sequence] = client.open.keys();
    const session: SessionCall = { session: client.session as number, sequence, settled: first - 1 };
    return {
      encode,
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
